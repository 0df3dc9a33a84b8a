// Clients of 9P that take all there is, and that never read.

import { expect } from 'vitest';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import { XATTR_SIZE_MAX } from '../../src/abi/limits.ts';
import { MSIZE_MAX } from '../../src/p9/frame.ts';
import { LOCK_SUCCESS, LOCK_TYPE_WRLCK, NOTAG } from '../../src/p9/records.ts';
import { type Arena, until } from './arena.ts';
import type { P9Attacker } from './p9-attacker.ts';
import { byBoth } from './p9-links.ts';
import type { Way } from './p9-wire.ts';
import type { Sequence } from './sequence.ts';

/** Of a client: src/p9 says so many of each. */
const FIDS_MAX = 10_000;
const OWNERS_MAX = 10_000;
const XATTR_BYTES_MAX = 4 << 20;

const FID_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    {
      name: '9P: open files until there are no more descriptors',
      holds: 'EMFILE, and another client has its own',
      server: 'small',
    },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      let said = 'OK';
      for (let count = 0; said === 'OK' && count < 100; count++) {
        const fid = attacker.newFid();
        said = (await attacker.call('walk', { fid: root, newfid: fid, names: ['file'] })).said;
        if (said === 'OK') ({ said } = await attacker.call('lopen', { fid, flags: O_RDWR }));
      }
      expect(said).toBe('EMFILE');
      const other = await arena.attached(way);
      await other.attacker.open(other.root, O_RDWR, 'file');
    },
  ),
  {
    name: '9P: fids until there are no more',
    holds: 'EMFILE, and as many again when they were clunked',
    by: '9P',
    async run(arena) {
      const { attacker, root: fid } = await arena.attached('TCP');
      for (let turn = 0; turn < 2; turn++) {
        const numbers = Array.from({ length: FIDS_MAX }, (_, index) => 100_000 + index);
        const walked = await all(numbers, (newfid) =>
          attacker.call('walk', { fid, newfid, names: [] }),
        );
        // The root's is one of them.
        expect(walked.filter(({ said }) => said === 'OK')).toHaveLength(FIDS_MAX - 1);
        expect(walked.at(-1)!.said).toBe('EMFILE');
        await all(numbers, (number) => attacker.call('clunk', { fid: number }));
      }
    },
  },
  ...byBoth(
    { name: '9P: values of attributes until there is no more memory', holds: 'ENOMEM' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const said: string[] = [];
      for (let bytes = 0; bytes <= XATTR_BYTES_MAX; bytes += XATTR_SIZE_MAX) {
        const fid = await attacker.walk(root, 'file');
        const value = { name: 'user.x', attrSize: XATTR_SIZE_MAX, flags: 0 };
        said.push((await attacker.call('xattrcreate', { fid, ...value })).said);
      }
      expect(said.filter((each) => each === 'OK')).toHaveLength(XATTR_BYTES_MAX / XATTR_SIZE_MAX);
      expect(said.at(-1)).toBe('ENOMEM');
    },
  ),
  {
    name: '9P: locks of as many owners as there may be',
    holds: 'ENOLCK for one more, and another client’s session has room for its own',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('TCP');
      const fid = await attacker.open(root, O_RDWR, 'file');
      const lock = { fid, type: LOCK_TYPE_WRLCK, flags: 0, length: 1, clientId: 'a' };
      const owners = Array.from({ length: OWNERS_MAX + 1 }, (_, index) => index);
      const locked = await all(owners, (procId) =>
        attacker.call('lock', { ...lock, procId, start: 2 * procId }),
      );
      expect(locked.filter(({ said }) => said === 'OK')).toHaveLength(OWNERS_MAX);
      expect(locked.at(-1)!.said).toBe('ENOLCK');
      const other = await arena.attached('TCP');
      const its = await other.attacker.open(other.root, O_RDWR, 'dir', 'inner');
      const wanted = { ...lock, fid: its, procId: 1, start: 0 };
      expect((await other.attacker.must('lock', wanted)).status).toBe(LOCK_SUCCESS);
    },
  },
];

/** Some at a time, as many as any client has under way. */
const AT_A_TIME = 500;

async function all<T>(numbers: readonly number[], call: (number: number) => Promise<T>) {
  const outcomes: T[] = [];
  for (let at = 0; at < numbers.length; at += AT_A_TIME) {
    outcomes.push(...(await Promise.all(numbers.slice(at, at + AT_A_TIME).map(call))));
  }
  return outcomes;
}

/** Whatever somebody sends who doesn't read, the server's memory grows by no more. */
const GROWTH_MAX = 64 << 20;
/** Each has an answer of 1 MiB: more than may be kept, by far, and than fits on the way. */
const READS = 400;
/** Each of which has a small answer, and would take about 1 KiB if that were kept. */
const FLOOD = 80_000;

/** Of no other request. */
const FREE_TAG = 60_000;

/** Somebody who reads nothing from here on, with a file of 1 MiB, and has asked for much of it. */
async function deaf(arena: Arena, way: Way): Promise<P9Attacker> {
  const { attacker, root } = await arena.attached(way);
  const fid = await attacker.open(root, O_RDWR, 'file');
  const half = MSIZE_MAX / 2;
  for (const offset of [0, half]) {
    await attacker.must('write', { fid, offset, data: new Uint8Array(half) });
  }
  attacker.wire.stopReading();
  for (let sent = 0; sent < READS; sent++) {
    attacker.sendT('read', { fid, offset: 0, count: MSIZE_MAX });
  }
  return attacker;
}

const FLOODS: readonly [what: string, count: number, send: (attacker: P9Attacker) => void][] = [
  ['no more than Treads of 1 MiB', 0, () => undefined],
  [
    'Tflush',
    FLOOD,
    (attacker) => {
      attacker.sendT('flush', { oldtag: NOTAG }, FREE_TAG);
    },
  ],
  [
    'messages that there are not',
    FLOOD,
    (attacker) => {
      attacker.sendBody(200, new Uint8Array(0), FREE_TAG);
    },
  ],
  [
    'Tversion',
    FLOOD,
    (attacker) => {
      attacker.sendT('version', { msize: 8192, version: '9P2000.L' }, NOTAG);
    },
  ],
];

const FLOOD_SEQUENCES: readonly Sequence[] = [
  ...FLOODS.flatMap(([what, count, send]) =>
    byBoth(
      {
        name: `9P: ${what} on and on, from who never reads`,
        holds: 'what is kept is bounded, others get in meanwhile, and the link is cut off',
        server: 'impatient',
      },
      async (arena, way) => {
        const { server } = arena;
        const before = server.memory('VmRSS');
        const attacker = await deaf(arena, way);
        // Meanwhile more is answered than gets on its way.
        const other = await arena.attached(way);
        for (let sent = 0; sent < count; sent++) send(attacker);
        await other.attacker.walk(other.root, 'file');
        await other.attacker.leave();
        await until(() => server.linkCount === 0, 'it is cut off');
        const growth = server.memory('VmHWM') - before;
        expect(growth, 'what it kept').toBeLessThan(GROWTH_MAX);
        await attacker.vanish();
      },
    ),
  ),
  ...byBoth(
    {
      name: '9P: writes of 100 MB, one after the other, without waiting',
      holds: 'what is kept is bounded, and all is written',
    },
    async (arena, way) => {
      const { server } = arena;
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDWR, 'file');
      const data = new Uint8Array(MSIZE_MAX - 64);
      const before = server.memory('VmRSS');
      for (let sent = 0; sent < 100; sent++) attacker.sendT('write', { fid, offset: 0, data });
      await until(() => attacker.unasked.length === 100, 'all is written');
      expect(server.memory('VmHWM') - before).toBeLessThan(GROWTH_MAX);
    },
  ),
];

export const P9_LIMIT_FAMILIES = {
  'taking all there is': FID_SEQUENCES,
  'who never reads': FLOOD_SEQUENCES,
};
