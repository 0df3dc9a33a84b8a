// Sequences about what comes first on a link of 9P: Tversion, anything else, or nothing.

import { expect } from 'vitest';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import { MSIZE_MAX } from '../../src/p9/frame.ts';
import { MESSAGES } from '../../src/p9/messages.ts';
import { LOCK_SUCCESS, LOCK_TYPE_WRLCK, NOFID, NOTAG } from '../../src/p9/records.ts';
import { type Arena, until } from './arena.ts';
import { type P9Attacker, rawFrame, refused } from './p9-attacker.ts';
import { byBoth } from './p9-links.ts';
import { encodeBodyOf, REQUESTS, validRequest } from './p9-values.ts';
import type { Sequence } from './sequence.ts';

const VERSION = '9P2000.L';
/** Fids that nobody has. */
const SOME = { directory: 1, file: 1, link: 1, openFile: 1, openDirectory: 1 };

/** A message on a link of TCP that isn't a session yet, again and again until it ends. */
type Say = (attacker: P9Attacker, turn: number) => void;

const TVERSION = rawFrame({
  type: MESSAGES.version.type,
  tag: NOTAG,
  body: MESSAGES.version.T.encode({ msize: MSIZE_MAX, version: VERSION }),
});
/** Between two messages, or bytes: a Tversion that comes so takes twice its time. */
const TURN_MS = 4000 / TVERSION.length;

const DAWDLERS: readonly [what: string, say: Say][] = [
  ['nothing at all', () => undefined],
  [
    'Tversion, a byte at a time',
    (attacker, turn) => {
      attacker.send(TVERSION.subarray(turn, turn + 1));
    },
  ],
  [
    'Tattach again and again',
    (attacker) => {
      attacker.sendT('attach', { fid: 1, afid: NOFID, uname: '', aname: '/', nUname: 0 });
    },
  ],
  [
    'Tversion of another dialect again and again',
    (attacker) => {
      attacker.sendT('version', { msize: MSIZE_MAX, version: '9P2000.u' }, NOTAG);
    },
  ],
  [
    'Tversion of an msize without room again and again',
    (attacker) => {
      attacker.sendT('version', { msize: 23, version: VERSION }, NOTAG);
    },
  ],
];

/** Takes all places there are, and does so. */
async function dawdle(arena: Arena, say: Say): Promise<void> {
  const attackers: P9Attacker[] = [];
  for (let count = 0; count < 4; count++) attackers.push(await arena.p9Attacker('TCP'));
  let turn = 0;
  const timer = setInterval(() => {
    for (const attacker of attackers) if (attacker.isOpen) say(attacker, turn);
    turn++;
  }, TURN_MS);
  try {
    for (const attacker of attackers) expect(await attacker.closed).toBe('cut off');
  } finally {
    clearInterval(timer);
  }
}

const FIRST_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: 'every request before Tversion', holds: 'EINVAL, and the folder is as it was' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      const before = arena.lookInside();
      for (const message of REQUESTS) {
        const body = encodeBodyOf(message, validRequest(message, SOME));
        expect((await attacker.callBody(message, body)).said, message).toBe('EINVAL');
      }
      expect(arena.lookInside()).toEqual(before);
    },
  ),
  ...byBoth(
    { name: '9P: an answer of a server’s first', holds: 'EINVAL, and the link goes on' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      const answered = attacker.answer('version', 5);
      const body = MESSAGES.version.R.encode({ msize: MSIZE_MAX, version: VERSION });
      attacker.sendBody(MESSAGES.version.type + 1, body, 5);
      expect((await answered).said).toBe('EINVAL');
      await attacker.version();
      await attacker.attach();
    },
  ),
  ...DAWDLERS.map(([what, say]): Sequence => ({
    name: `9P over TCP: ${what}, in all places there are`,
    holds: 'they are cut off when their time is up, and others get in',
    server: 'impatient',
    by: '9P',
    run: (arena) => dawdle(arena, say),
  })),
  {
    name: '9P over TCP: a session, and then nothing for longer than one may take to begin',
    holds: 'it goes on',
    server: 'impatient',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('TCP');
      await dawdle(arena, () => undefined);
      await attacker.walk(root, 'file');
    },
  },
];

const MSIZE_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: '9P: an msize that there is no room in', holds: 'EINVAL, and no session' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      for (const msize of [0, 1, 7, 11, 23, 511]) {
        const { said } = await attacker.call('version', { msize, version: VERSION }, NOTAG);
        expect(said, String(msize)).toBe('EINVAL');
      }
      await expect(attacker.attach()).rejects.toThrow('Tattach: EINVAL');
    },
  ),
  ...byBoth(
    { name: '9P: the largest msize there is', holds: '1 MiB is agreed on, and more is not taken' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      const { msize } = await attacker.version(0, 0xffff_ffff);
      expect(msize).toBe(MSIZE_MAX);
      await attacker.attach();
      const body = new Uint8Array(MSIZE_MAX);
      attacker.sendBody(MESSAGES.write.type, body);
      expect(await attacker.closed).toBe(refused(way));
    },
  ),
];

/** A session each, with a fid and a lock. */
const VERSIONS = 500;

const MANY_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: '9P: a Tversion after the other', holds: 'nothing is left of those before' },
    async (arena, way) => {
      const { server } = arena;
      const attacker = await arena.p9Attacker(way);
      let fdCount = 0;
      for (let count = 0; count < VERSIONS; count++) {
        await attacker.version(count % 14);
        const fid = await attacker.open(await attacker.attach(), O_RDWR, 'file');
        const lock = { fid, type: LOCK_TYPE_WRLCK, flags: 0, start: 0, length: 0 };
        const asked = { ...lock, procId: count, clientId: 'a' };
        // Of the session before, it would be in the way.
        expect((await attacker.must('lock', asked)).status).toBe(LOCK_SUCCESS);
        if (count === 0) fdCount = server.fdCount;
      }
      await until(() => server.fdCount <= fdCount, 'it has no more descriptors than one needs');
    },
  ),
  ...byBoth(
    {
      name: '9P: many Tversions at once, without waiting',
      holds: 'each is answered, in order, and the last one holds',
    },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      for (let count = 0; count < VERSIONS; count++) {
        attacker.sendT('version', { msize: 1000 + count, version: VERSION }, NOTAG);
      }
      await until(() => attacker.unasked.length === VERSIONS, 'all are answered');
      const sizes = attacker.unasked.map(({ body }) => MESSAGES.version.R.decode(body).msize);
      expect(sizes).toEqual(Array.from({ length: VERSIONS }, (_, count) => 1000 + count));
      const fid = await attacker.open(await attacker.attach(), O_RDWR, 'file');
      attacker.sendT('write', { fid, offset: 0, data: new Uint8Array(1000 + VERSIONS) });
      expect(await attacker.closed).toBe(refused(way));
    },
  ),
];

export const P9_VERSION_FAMILIES = {
  'what comes first': FIRST_SEQUENCES,
  'an msize': MSIZE_SEQUENCES,
  'many versions': MANY_SEQUENCES,
};
