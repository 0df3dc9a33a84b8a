// Sequences of 9P about files: walks, counts, offsets of listings, extended attributes and locks
// that are not what they say, and links that break in the middle of a change.

import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { XATTR_SIZE_MAX } from '../../src/abi/limits.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/text.ts';
import { MSIZE_MAX } from '../../src/p9/frame.ts';
import { MESSAGES } from '../../src/p9/messages.ts';
import {
  LOCK_BLOCKED,
  LOCK_FLAGS_BLOCK,
  LOCK_SUCCESS,
  LOCK_TYPE_RDLCK,
  LOCK_TYPE_UNLCK,
  LOCK_TYPE_WRLCK,
  WALK_NAMES_MAX,
} from '../../src/p9/records.ts';
import { LATEST_VERSION, P9_PROTOCOL } from '../../src/p9/version.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import { type Arena, TOKEN, until } from './arena.ts';
import { HandSocket } from './by-hand.ts';
import { type P9Attacker, rawFrame } from './p9-attacker.ts';
import { byBoth } from './p9-links.ts';
import type { Way } from './p9-wire.ts';
import type { Sequence } from './sequence.ts';

const U32_MAX = 0xffff_ffff;

const WALK_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: 'a Twalk of 17 names, and of 16', holds: 'EINVAL, and as far as it leads' },
    async (arena, way) => {
      const { attacker, root: fid } = await arena.attached(way);
      const names = new Array<string>(WALK_NAMES_MAX).fill('.');
      expect((await attacker.must('walk', { fid, newfid: 60, names })).qids).toHaveLength(16);
      const more = { fid, newfid: 61, names: [...names, '.'] };
      expect((await attacker.call('walk', more)).said).toBe('EINVAL');
      expect((await attacker.call('clunk', { fid: 61 })).said).toBe('EBADF');
    },
  ),
  {
    name: 'a Twalkgetattr and a Tmultigetattr of 60,000 names',
    holds: 'EIO, as there is no room for the answer',
    by: '9P',
    async run(arena) {
      const { attacker, root: fid } = await arena.attached('TCP', LATEST_VERSION);
      const names = new Array<string>(60_000).fill('deep');
      const long = await attacker.version(LATEST_VERSION, 512 << 10);
      expect(long.msize).toBe(512 << 10);
      const again = await attacker.attach();
      for (const each of [fid, again]) {
        const walked = await attacker.call('walkgetattr', { fid: each, newfid: 60, names });
        const told = await attacker.call('multigetattr', { fid: each, names });
        const wanted = each === fid ? 'EBADF' : 'EIO';
        expect([walked.said, told.said]).toEqual([wanted, wanted]);
      }
    },
  },
  ...byBoth(
    { name: 'a Twalk that says it has more names than it has', holds: 'EIO' },
    async (arena, way) => {
      const { attacker, root: fid } = await arena.attached(way);
      const body = MESSAGES.walk.T.encode({ fid, newfid: 60, names: ['dir'] });
      for (const count of [0, 2, 17, 0xffff]) {
        const lie = body.slice();
        new DataView(lie.buffer).setUint16(8, count, true);
        expect((await attacker.callBody('walk', lie)).said).toBe('EIO');
      }
    },
  ),
  ...byBoth(
    { name: 'a walk of a fid to itself that ends on the way', holds: 'it is what it was' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.walk(root, 'dir');
      const names = ['deep', 'none'];
      expect((await attacker.must('walk', { fid, newfid: fid, names })).qids).toHaveLength(1);
      expect(
        (await attacker.must('walk', { fid, newfid: 60, names: ['inner'] })).qids,
      ).toHaveLength(1);
    },
  ),
];

const COUNT_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    {
      name: 'a Tread and a Treaddir of all bytes there can be',
      holds: 'as much as msize has room for',
    },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDWR, 'file');
      const { data } = await attacker.must('read', { fid, offset: 0, count: U32_MAX });
      expect(decodeUtf8(data)).toBe('mine');
      const dir = await attacker.open(root, O_RDONLY);
      const all = await attacker.must('readdir', { fid: dir, offset: 0n, count: U32_MAX });
      expect(all.entries.map(({ name }) => name).toSorted()).toEqual([
        '.',
        '..',
        'away',
        'dir',
        'fifo',
        'file',
        'link',
      ]);
    },
  ),
  ...byBoth(
    { name: 'a Treaddir with no room for an entry', holds: 'EINVAL' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDONLY);
      for (const count of [0, 1, 20]) {
        expect((await attacker.call('readdir', { fid, offset: 0n, count })).said).toBe('EINVAL');
      }
    },
  ),
  ...byBoth(
    {
      name: 'a Treaddir from offsets that no entry has',
      holds: 'EINVAL, or names of the directory and of no other',
    },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDONLY, 'dir');
      const offsets = [1n, 2n, 3n, 5n, 1000n, 1n << 31n, 1n << 32n, 1n << 53n, (1n << 64n) - 1n];
      for (const offset of [...offsets, ...offsets.toReversed()]) {
        const { said, values } = await attacker.call('readdir', { fid, offset, count: 4096 });
        expect(['OK', 'EINVAL'], `${offset}`).toContain(said);
        const names = values?.entries.map(({ name }) => name) ?? [];
        for (const name of names) expect(['.', '..', 'deep', 'inner']).toContain(name);
      }
    },
  ),
  ...byBoth(
    { name: 'a Twrite whose count is a lie', holds: 'EIO, and nothing is written' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDWR, 'file');
      const body = MESSAGES.write.T.encode({ fid, offset: 0, data: encodeUtf8('theirs') });
      for (const count of [0, 5, 7, MSIZE_MAX, U32_MAX]) {
        const lie = body.slice();
        new DataView(lie.buffer).setUint32(12, count, true);
        expect((await attacker.callBody('write', lie)).said).toBe('EIO');
      }
      expect(readFileSync(arena.in('file'), 'utf8')).toBe('mine');
    },
  ),
];

const NEW = { name: 'user.new', flags: 0 };

const XATTR_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: 'a Txattrcreate of more than a value has', holds: 'E2BIG' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.walk(root, 'file');
      for (const attrSize of [XATTR_SIZE_MAX + 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        expect((await attacker.call('xattrcreate', { fid, ...NEW, attrSize })).said).toBe('E2BIG');
      }
      const flags = { fid, name: NEW.name, attrSize: 1, flags: 4 };
      expect((await attacker.call('xattrcreate', flags)).said).toBe('EINVAL');
    },
  ),
  ...byBoth(
    { name: 'values of other sizes than a Txattrcreate said', holds: 'EINVAL, and none is set' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const write = async (fid: number, offset: number, text: string) =>
        (await attacker.call('write', { fid, offset, data: encodeUtf8(text) })).said;
      const fid = await attacker.walk(root, 'file');
      await attacker.must('xattrcreate', { fid, ...NEW, attrSize: 4 });
      expect(await write(fid, 0, 'fives')).toBe('EINVAL');
      expect(await write(fid, 1, 'abc')).toBe('EINVAL');
      expect(await write(fid, Number.MAX_SAFE_INTEGER, 'a')).toBe('EINVAL');
      expect(await write(fid, 0, 'abc')).toBe('OK');
      expect(await write(fid, 0, 'abc')).toBe('EINVAL');
      expect((await attacker.call('read', { fid, offset: 0, count: 4 })).said).toBe('EBADF');
      expect((await attacker.call('lopen', { fid, flags: O_RDWR })).said).toBe('EINVAL');
      expect((await attacker.call('walk', { fid, newfid: 60, names: [] })).said).toBe('EBUSY');
      expect((await attacker.call('xattrcreate', { fid, ...NEW, attrSize: 4 })).said).toBe(
        'EINVAL',
      );
      expect((await attacker.call('clunk', { fid })).said).toBe('EINVAL');
      const file = await attacker.walk(root, 'file');
      const listed = await attacker.must('xattrwalk', { fid: file, newfid: 61, name: '' });
      expect(listed.size).toBe(0);
    },
  ),
  ...byBoth(
    { name: 'a value that is read beyond its end, and written', holds: 'nothing, and EBADF' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const [fid, newfid] = [await attacker.walk(root, 'file'), attacker.newFid()];
      await attacker.must('xattrwalk', { fid, newfid, name: '' });
      for (const offset of [1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        const { data } = await attacker.must('read', { fid: newfid, offset, count: U32_MAX });
        expect(data).toHaveLength(0);
      }
      const data = Uint8Array.of(1);
      expect((await attacker.call('write', { fid: newfid, offset: 0, data })).said).toBe('EBADF');
      expect((await attacker.call('fsync', { fid: newfid, datasync: 0 })).said).toBe('EBADF');
    },
  ),
];

const LOCK = { flags: 0, start: 0, length: 0, procId: 1, clientId: 'a' };

async function openToLock(arena: Arena, way: Way): Promise<{ attacker: P9Attacker; fid: number }> {
  const { attacker, root } = await arena.attached(way);
  return { attacker, fid: await attacker.open(root, O_RDWR, 'file') };
}

const LOCK_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: 'locks that are none', holds: 'EINVAL, EBADF or ENAMETOOLONG, and none is taken' },
    async (arena, way) => {
      const { attacker, fid } = await openToLock(arena, way);
      const refused = async (values: object, said: string) => {
        const lock = { fid, type: LOCK_TYPE_WRLCK, ...LOCK, ...values };
        expect((await attacker.call('lock', lock)).said).toBe(said);
      };
      for (const type of [3, 4, 127, 255]) await refused({ type }, 'EINVAL');
      for (const flags of [4, 8, 0x8000_0000, U32_MAX]) await refused({ flags }, 'EINVAL');
      await refused({ start: Number.MAX_SAFE_INTEGER, length: 1 }, 'EINVAL');
      await refused({ start: 1, length: Number.MAX_SAFE_INTEGER }, 'EINVAL');
      await refused({ clientId: 'x'.repeat(256) }, 'ENAMETOOLONG');
      const asked = { fid, type: LOCK_TYPE_UNLCK, start: 0, length: 0, procId: 1, clientId: 'a' };
      expect((await attacker.call('getlock', asked)).said).toBe('EINVAL');
      const other = await openToLock(arena, way);
      const free = { ...asked, fid: other.fid, type: LOCK_TYPE_WRLCK, procId: 2 };
      expect((await other.attacker.must('getlock', free)).type).toBe(LOCK_TYPE_UNLCK);
    },
  ),
  ...byBoth(
    { name: 'another’s lock, given up with its names', holds: 'the other has it still' },
    async (arena, way) => {
      const owner = await openToLock(arena, way);
      await owner.attacker.must('lock', { fid: owner.fid, type: LOCK_TYPE_WRLCK, ...LOCK });
      const { attacker, fid } = await openToLock(arena, way);
      const { status } = await attacker.must('lock', { fid, type: LOCK_TYPE_UNLCK, ...LOCK });
      expect(status).toBe(LOCK_SUCCESS);
      const wanted = { fid, type: LOCK_TYPE_RDLCK, ...LOCK };
      expect((await attacker.must('lock', wanted)).status).toBe(LOCK_BLOCKED);
      // Who holds it is told, but not by which machine.
      const { flags: _flags, ...asked } = wanted;
      const found = await attacker.must('getlock', asked);
      expect(found).toMatchObject({ type: LOCK_TYPE_WRLCK, procId: 1, clientId: '' });
    },
  ),
  ...byBoth(
    { name: 'links that break while locks are held and waited for', holds: 'nobody has them' },
    async (arena, way) => {
      const { attacker, fid } = await openToLock(arena, way);
      const lock = { fid, type: LOCK_TYPE_WRLCK, ...LOCK };
      await attacker.must('lock', lock);
      for (let procId = 2; procId < 40; procId++) {
        attacker.sendT('lock', { ...lock, procId, flags: LOCK_FLAGS_BLOCK });
      }
      const next = await openToLock(arena, way);
      const waiting = next.attacker.call('lock', {
        ...lock,
        fid: next.fid,
        flags: LOCK_FLAGS_BLOCK,
      });
      await attacker.vanish();
      expect((await waiting).values?.status).toBe(LOCK_SUCCESS);
    },
  ),
];

const TEXT = 'x'.repeat(100_000);

/** A Twrite of TEXT, whole. */
function writeFrame(fid: number): Uint8Array {
  const body = MESSAGES.write.T.encode({ fid, offset: 0, data: encodeUtf8(TEXT) });
  return rawFrame({ type: MESSAGES.write.type, tag: 1, body });
}

const BREAKING_SEQUENCES: readonly Sequence[] = [
  {
    name: '9P over TCP: a link that breaks in a write',
    holds: 'nothing of it is written, however much has come',
    by: '9P',
    async run(arena) {
      for (const part of [0.01, 0.5, 0.999]) {
        const { attacker, root } = await arena.attached('TCP');
        const frame = writeFrame(await attacker.open(root, O_RDWR, 'file'));
        attacker.send(frame.subarray(0, Math.floor(frame.length * part)));
        await attacker.leave();
      }
      expect(readFileSync(arena.in('file'), 'utf8')).toBe('mine');
    },
  },
  {
    name: '9P by WebSocket: a link that breaks in a write',
    holds: 'nothing of it is written, however much has come',
    by: '9P',
    async run(arena) {
      const [bearer = ''] = protocolsFor(TOKEN);
      for (const part of [0.01, 0.5, 0.999]) {
        const link = await HandSocket.open(arena, `${P9_PROTOCOL}, ${bearer}`);
        const ask = (type: number, body: Uint8Array): Promise<Uint8Array> =>
          link.ask(rawFrame({ type, tag: 1, body }));
        const { version, attach, walk, lopen } = MESSAGES;
        await ask(version.type, version.T.encode({ msize: MSIZE_MAX, version: '9P2000.L' }));
        const who = { uname: '', aname: '/', nUname: U32_MAX };
        await ask(attach.type, attach.T.encode({ fid: 1, afid: U32_MAX, ...who }));
        await ask(walk.type, walk.T.encode({ fid: 1, newfid: 2, names: ['file'] }));
        const opened = await ask(lopen.type, lopen.T.encode({ fid: 2, flags: O_RDWR }));
        expect(opened[4]).toBe(lopen.type + 1);
        await link.breakIn(writeFrame(2), part);
      }
      expect(readFileSync(arena.in('file'), 'utf8')).toBe('mine');
    },
  },
  ...byBoth(
    { name: 'links that break right after changes were sent', holds: 'each is done whole, or not' },
    async (arena, way) => {
      const turns = Array.from({ length: 20 }, (_, turn) => turn);
      for (const turn of turns) {
        writeFileSync(arena.in(`file${turn}`), 'mine');
        mkdirSync(arena.in(`old${turn}`));
        const { attacker, root } = await arena.attached(way);
        attacker.send(writeFrame(await attacker.open(root, O_RDWR, `file${turn}`)));
        const [olddfid, newdfid] = [root, root];
        const names = { oldname: `old${turn}`, newname: `new${turn}` };
        attacker.sendT('renameat', { olddfid, newdfid, ...names });
        await attacker.vanish();
      }
      const sizeOf = (turn: number): number => lstatSync(arena.in(`file${turn}`)).size;
      await until(() => turns.every((turn) => [4, TEXT.length].includes(sizeOf(turn))), 'whole');
      for (const turn of turns) {
        const names = [`old${turn}`, `new${turn}`];
        expect(names.filter((name) => existsSync(arena.in(name)))).toHaveLength(1);
      }
    },
  ),
];

export const P9_FILE_FAMILIES = {
  walks: WALK_SEQUENCES,
  counts: COUNT_SEQUENCES,
  'extended attributes': XATTR_SEQUENCES,
  locks: LOCK_SEQUENCES,
  'broken links': BREAKING_SEQUENCES,
};
