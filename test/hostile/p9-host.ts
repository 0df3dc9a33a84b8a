// Sequences of 9P about the host: ways out of the folder, what isn't a file, and rights that a
// client has no right to. Somebody on the host may help.

import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } from '../../src/abi/fcntl.ts';
import { S_IFREG, S_ISGID, S_ISUID } from '../../src/abi/stat.ts';
import { encodeUtf8 } from '../../src/lib/text.ts';
import {
  NO_ID,
  type Qid,
  SETATTR_GID,
  SETATTR_MODE,
  SETATTR_SIZE,
  SETATTR_UID,
} from '../../src/p9/records.ts';
import { mknodSequences, NO_TIME, SWAPS, TARGETS, TURNS, whileItHappens } from './host.ts';
import type { P9Attacker } from './p9-attacker.ts';
import { byBoth } from './p9-links.ts';
import type { Sequence } from './sequence.ts';

const NO_CHANGES = { mode: 0, uid: NO_ID, gid: NO_ID, size: 0, atime: NO_TIME, mtime: NO_TIME };
/** It would be seen where it must not be. */
const PLANTED = encodeUtf8('planted');

/** Neither a bug of the server’s nor the end of the link. */
const NEVER = /EREMOTEIO|closed/;

function inoOf(path: string): bigint {
  return lstatSync(path, { bigint: true }).ino;
}

/** Above the file's number is that of the device. */
const INO_BITS = 56;

function inoIn(qid: Qid | undefined): bigint | undefined {
  return qid === undefined ? undefined : BigInt.asUintN(INO_BITS, qid.path);
}

/** As the standard has it: each step of its own, with whatever is there by then. */
async function stepByStep(attacker: P9Attacker, root: number, path: readonly string[]) {
  let at = root;
  const fids: number[] = [];
  for (const name of path) {
    const newfid = attacker.newFid();
    const { said, values } = await attacker.call('walk', { fid: at, newfid, names: [name] });
    expect(said).not.toMatch(NEVER);
    if (values?.qids.length !== 1) break;
    fids.push(newfid);
    at = newfid;
  }
  return { at, fids };
}

/** Opens, reads, truncates, makes and removes, wherever it has come to. */
async function doHarm(attacker: P9Attacker, fid: number): Promise<void> {
  const [opened, dir] = [attacker.newFid(), attacker.newFid()];
  await attacker.call('walk', { fid, newfid: opened, names: [] });
  const outcomes = [
    await attacker.call('lopen', { fid: opened, flags: O_RDWR | O_TRUNC }),
    await attacker.call('read', { fid: opened, offset: 0, count: 100 }),
    await attacker.call('walk', { fid, newfid: dir, names: [] }),
    await attacker.call('lcreate', {
      ...{ fid: dir, name: 'planted', flags: O_RDWR | O_CREAT | O_EXCL },
      ...{ mode: 0o600, gid: NO_ID },
    }),
    await attacker.call('write', { fid: dir, offset: 0, data: PLANTED }),
    await attacker.call('unlinkat', { dfid: fid, name: 'planted', flags: 0 }),
    await attacker.call('clunk', { fid: opened }),
    await attacker.call('clunk', { fid: dir }),
  ];
  for (const { said } of outcomes) expect(said).not.toMatch(NEVER);
}

const PATHS = [['dir', 'secret'], ['dir', 'folder', 'inner'], ['file'], ['dir', 'deep']];

const SWAP_SEQUENCES: readonly Sequence[] = SWAPS.flatMap(([name, script]) =>
  byBoth(
    { name: `9P: ${name}`, holds: 'what is read and written is in the folder' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      await whileItHappens(arena, script, async () => {
        for (let turn = 0; turn < TURNS; turn++) {
          const path = PATHS[turn % PATHS.length]!;
          const newfid = attacker.newFid();
          const { said, values } = await attacker.call('walk', { fid: root, newfid, names: path });
          expect(said).not.toMatch(NEVER);
          if (values?.qids.length === path.length) {
            await doHarm(attacker, newfid);
            await attacker.must('clunk', { fid: newfid });
          }
          const { at, fids } = await stepByStep(attacker, root, path);
          if (at !== root) await doHarm(attacker, at);
          for (const fid of fids) await attacker.must('clunk', { fid });
        }
      });
    },
  ),
);

/** A client that moves what another walks through. */
const RENAMES: readonly Sequence[] = byBoth(
  { name: 'two clients of 9P that move and walk at once', holds: 'nobody gets out by “..”' },
  async (arena, way) => {
    const mover = await arena.attached(way);
    const { attacker, root } = await arena.attached(way);
    const [ino, dirIno] = [arena.in(), arena.in('dir')].map((path) => inoOf(path));
    const deep = await mover.attacker.walk(mover.root, 'dir', 'deep');
    let isOver = false;
    const moving = (async () => {
      const [there, back] = [
        { olddfid: mover.root, oldname: 'moved', newdfid: mover.root, newname: 'dir' },
        { olddfid: mover.root, oldname: 'dir', newdfid: mover.root, newname: 'moved' },
      ];
      while (!isOver) {
        await mover.attacker.must('renameat', back);
        await mover.attacker.must('rename', { fid: deep, dfid: mover.root, name: 'deep' });
        await mover.attacker.must('renameat', there);
        const dfid = await mover.attacker.walk(mover.root, 'dir');
        await mover.attacker.must('rename', { fid: deep, dfid, name: 'deep' });
        await mover.attacker.must('clunk', { fid: dfid });
      }
    })();
    for (let turn = 0; turn < TURNS; turn++) {
      const newfid = attacker.newFid();
      const names = ['dir', 'deep', '..', '..', '..', '..', '..'];
      const { said, values } = await attacker.call('walk', { fid: root, newfid, names });
      expect(said).not.toMatch(NEVER);
      if (values?.qids.length === names.length) {
        expect(inoIn(values.qids.at(-1))).toBe(ino);
        await attacker.must('clunk', { fid: newfid });
      }
      const below = attacker.newFid();
      const found = await attacker.call('walk', {
        fid: root,
        newfid: below,
        names: ['deep', '..'],
      });
      if (found.values?.qids.length === 2) {
        expect([ino, dirIno]).toContain(inoIn(found.values.qids[1]));
        await attacker.must('clunk', { fid: below });
      }
    }
    isOver = true;
    await moving;
  },
);

const DOTS: readonly Sequence[] = byBoth(
  { name: 'walks of “..” from everywhere', holds: 'they end at the root of the folder' },
  async (arena, way) => {
    const { attacker, root } = await arena.attached(way);
    const ino = inoOf(arena.in());
    const starts = [[], ['dir'], ['dir', 'deep']];
    for (const start of starts) {
      const fid = await attacker.walk(root, ...start);
      const names = [...new Array<string>(14).fill('..'), '.', '..'];
      const { qids } = await attacker.must('walk', { fid, newfid: attacker.newFid(), names });
      expect(inoIn(qids.at(-1))).toBe(ino);
      const out = {
        fid,
        newfid: attacker.newFid(),
        names: ['..', '..', '..', 'outside', 'secret'],
      };
      expect((await attacker.must('walk', out)).qids).toHaveLength(3);
    }
  },
);

const LINK_SEQUENCES: readonly Sequence[] = TARGETS.flatMap((target) =>
  (['client', 'host'] as const).map((maker): Sequence => ({
    name: `9P: a symlink to ${target} that the ${maker} made`,
    holds: 'it is walked to and not through, and nothing of it is opened or changed',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('WebSocket');
      const made = { dfid: root, name: 'out', target, gid: NO_ID };
      if (maker === 'host') symlinkSync(target, arena.in('out'));
      else await attacker.must('symlink', made);
      const through = { fid: root, newfid: attacker.newFid(), names: ['out', 'secret'] };
      expect((await attacker.must('walk', through)).qids).toHaveLength(1);
      expect((await attacker.call('clunk', { fid: through.newfid })).said).toBe('EBADF');
      const fid = await attacker.walk(root, 'out');
      const common = { dfid: fid, name: 'planted', gid: NO_ID };
      const outcomes = [
        await attacker.call('lopen', { fid, flags: O_RDONLY }),
        await attacker.call('walk', { fid, newfid: 900, names: ['secret'] }),
        await attacker.call('lcreate', { ...common, fid, flags: O_RDWR, mode: 0o600 }),
        await attacker.call('mkdir', { ...common, mode: 0o700 }),
        await attacker.call('symlink', { ...common, target: '/' }),
        await attacker.call('link', { dfid: fid, fid, name: 'planted' }),
        await attacker.call('unlinkat', { dfid: fid, name: 'secret', flags: 0 }),
        await attacker.call('renameat', {
          ...{ olddfid: fid, oldname: 'secret', newdfid: root, newname: 'taken' },
        }),
        await attacker.call('attach', {
          ...{ fid: 901, afid: 0xffff_ffff, uname: '', aname: '/out/secret', nUname: NO_ID },
        }),
      ];
      for (const { said } of outcomes) expect(['EINVAL', 'ENOTDIR']).toContain(said);
      const changes = { fid, ...NO_CHANGES, valid: SETATTR_MODE | SETATTR_SIZE, mode: 0o777 };
      expect((await attacker.call('setattr', changes)).said).not.toBe('OK');
      // It opens what is there without O_EXCL, but not what a symlink leads to.
      const there = { fid: await attacker.walk(root), name: 'out', flags: O_RDWR | O_CREAT };
      const opened = await attacker.call('lcreate', { ...there, mode: 0o600, gid: NO_ID });
      expect(opened.said).toBe('ELOOP');
    },
  })),
);

const NOT_FILES: readonly Sequence[] = [
  ...byBoth(
    { name: '9P: a FIFO that is opened in every way', holds: 'EPERM at once, and Tlcreate, too' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.walk(root, 'fifo');
      for (let flags = 0; flags < 3; flags++) {
        expect((await attacker.call('lopen', { fid, flags })).said).toBe('EPERM');
        const there = { fid: await attacker.walk(root), name: 'fifo', flags };
        const { said } = await attacker.call('lcreate', { ...there, mode: 0o600, gid: NO_ID });
        expect(said).toBe('EPERM');
      }
    },
  ),
  ...mknodSequences('9P', async (arena) => {
    const { attacker, root: dfid } = await arena.attached('TCP');
    return (node) => attacker.call('mknod', { dfid, gid: NO_ID, ...node });
  }),
  {
    name: '9P: a removed directory that is used on',
    holds: 'nothing is made in it, and no other directory is reached by it',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('WebSocket');
      const dfid = await attacker.walk(root, 'dir', 'deep');
      renameSync(arena.in('dir', 'deep'), arena.in('elsewhere'));
      execFileSync('rmdir', [arena.in('elsewhere')]);
      const made = { dfid, name: 'x', mode: 0o700, gid: NO_ID };
      expect((await attacker.call('mkdir', made)).said).toBe('ENOENT');
      // By the host it is gone; by the names that the server knows it is not there.
      const up = await attacker.call('walk', { fid: dfid, newfid: 70, names: ['..', '..', '..'] });
      expect(['OK', 'ENOENT', 'ESTALE']).toContain(up.said);
    },
  },
  {
    name: '9P: a file that the host has put another in the place of, removed and moved by its fid',
    holds: 'ESTALE, and the other is as it was',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('TCP');
      const fids = [await attacker.walk(root, 'file'), await attacker.walk(root, 'file')] as const;
      renameSync(arena.in('file'), arena.in('old'));
      renameSync(arena.in('dir', 'inner'), arena.in('file'));
      const move = { fid: fids[0], dfid: root, name: 'moved' };
      expect((await attacker.call('rename', move)).said).toBe('ESTALE');
      expect((await attacker.call('remove', { fid: fids[1] })).said).toBe('ESTALE');
      expect(readFileSync(arena.in('file'), 'utf8')).toBe('inner');
    },
  },
];

const RIGHTS: readonly Sequence[] = [
  {
    name: '9P: set-ID bits, in every message that has a mode',
    holds: 'no file has them',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('WebSocket', 13);
      const mode = S_ISUID | S_ISGID | 0o777;
      const own = { gid: NO_ID, uid: NO_ID };
      const created = { fid: await attacker.walk(root), name: 'a', flags: O_RDWR, mode };
      await attacker.must('lcreate', { ...created, gid: NO_ID });
      const other = { ...created, fid: await attacker.walk(root), name: 'b' };
      await attacker.must('ucreate', { ...other, ...own });
      const node = { dfid: root, mode: S_IFREG | mode, major: 0, minor: 0 };
      await attacker.must('mknod', { ...node, name: 'c', gid: NO_ID });
      await attacker.must('umknod', { ...node, name: 'd', ...own });
      const changes = { ...NO_CHANGES, valid: SETATTR_MODE, mode };
      await attacker.must('setattr', { fid: created.fid, ...changes });
      await attacker.must('setattrclunk', { fid: other.fid, ...changes });
      for (const name of ['a', 'b', 'c', 'd']) {
        expect(lstatSync(arena.in(name)).mode & (S_ISUID | S_ISGID)).toBe(0);
      }
    },
  },
  {
    name: '9P: a set-ID file of the host that a client writes',
    holds: 'it loses the bits before',
    by: '9P',
    async run(arena) {
      chmodSync(arena.in('file'), 0o6755);
      const { attacker, root } = await arena.attached('TCP');
      const fid = await attacker.open(root, O_RDWR, 'file');
      expect(lstatSync(arena.in('file')).mode & (S_ISUID | S_ISGID)).toBe(0);
      await attacker.must('write', { fid, offset: 0, data: new Uint8Array(4) });
    },
  },
  {
    name: '9P: ids that stand for none, given in every message that has them',
    holds: 'EOVERFLOW or EINVAL, and nothing is made or given away',
    server: 'mapped',
    by: '9P',
    async run(arena) {
      const { attacker, root: dfid } = await arena.attached('TCP', 13);
      const before = arena.lookInside();
      const file = await attacker.walk(dfid, 'file');
      for (const id of [0, 69, 71, 65_534, NO_ID - 1]) {
        const own = { uid: id, gid: id };
        const common = { dfid, name: 'x', mode: 0o600, ...own };
        const fid = await attacker.walk(dfid);
        const node = { ...common, mode: S_IFREG | 0o600, major: 0, minor: 0 };
        const made = [
          await attacker.call('ucreate', { ...common, fid, flags: O_RDWR }),
          await attacker.call('umkdir', common),
          await attacker.call('umknod', node),
          await attacker.call('usymlink', { dfid, name: 'x', target: 'file', ...own }),
          await attacker.call('mkdir', { ...common, gid: id }),
        ];
        for (const { said } of made) expect(said).toBe('EOVERFLOW');
        const owner = { fid: file, ...NO_CHANGES, ...own, valid: SETATTR_UID | SETATTR_GID };
        expect((await attacker.call('setattr', owner)).said).toBe('EINVAL');
      }
      expect(arena.lookInside()).toEqual(before);
    },
  },
];

export const P9_HOST_FAMILIES = {
  'somebody on the host': SWAP_SEQUENCES,
  'two clients': RENAMES,
  '“..”': DOTS,
  symlinks: LINK_SEQUENCES,
  'what is no file': NOT_FILES,
  rights: RIGHTS,
};
