// Sequences about the host: ways out of the folder, what isn't a file, and rights that a client has
// no right to. Somebody on the host may help.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { O_RDONLY, O_RDWR, O_TRUNC } from '../../src/abi/fcntl.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  STATX_GID,
  STATX_MODE,
  STATX_SIZE,
  STATX_UID,
} from '../../src/abi/stat.ts';
import { NO_ID } from '../../src/lisafs/records.ts';
import type { Outcome } from './answers.ts';
import type { Arena } from './arena.ts';
import type { Sequence } from './sequence.ts';

const OWNER = { uid: NO_ID, gid: NO_ID };
export const NO_TIME = { sec: 0, nsec: 0 };
const NO_CHANGES = { mask: 0, mode: 0, ...OWNER, size: 0, atime: NO_TIME, mtime: NO_TIME };
export const TURNS = 60;

/** Another process does this again and again, in the served folder, until `work` ends. */
export async function whileItHappens(
  arena: Arena,
  script: string,
  work: () => Promise<void>,
): Promise<void> {
  const other = spawn('sh', ['-c', `while :; do ${script}; done`], {
    cwd: arena.in(),
    stdio: 'ignore',
  });
  const ended = once(other, 'exit');
  try {
    await work();
  } finally {
    other.kill('SIGKILL');
    await ended;
  }
}

export const SWAPS: readonly [name: string, script: string][] = [
  ['a directory that is swapped for a symlink', 'mv dir d; mv away dir; mv dir away; mv d dir'],
  ['a file that is swapped for a symlink', 'mv file f; mv link file; mv file link; mv f file'],
  ['a directory that is moved about', 'mv dir/deep deep; mv deep dir/deep'],
  ['a name that is a file, a FIFO and nothing', 'mv file f; mv fifo file; mv file fifo; mv f file'],
];

const SWAP_SEQUENCES: readonly Sequence[] = SWAPS.map(([name, script]): Sequence => ({
  name,
  holds: 'what is read and written is in the folder',
  async run(arena) {
    const { attacker, root } = await arena.mounted();
    await whileItHappens(arena, script, async () => {
      for (let turn = 0; turn < TURNS; turn++) {
        const paths = [['dir', 'secret'], ['dir', 'folder', 'inner'], ['file'], ['dir', 'deep']];
        const path = paths[turn % paths.length]!;
        const wanted = { dirFD: root, path, flags: O_RDONLY, maxBytes: 100 };
        const { said, values } = await attacker.call('WalkOpenRead', wanted);
        expect(said).not.toMatch(/EREMOTEIO|closed/);
        const fds = values?.inodes.map(({ controlFD }) => controlFD) ?? [];
        const file = { dirFD: fds[0] ?? root, ...OWNER, mode: 0o600, flags: O_RDWR };
        const { values: made } = await attacker.call('OpenCreateAt', { ...file, name: 'planted' });
        if (fds[0] !== undefined)
          await attacker.call('OpenAt', { fd: fds[0], flags: O_RDWR | O_TRUNC });
        const openFDs = made === undefined ? [] : [made.newFD, made.child.controlFD];
        await attacker.call('UnlinkAt', { dirFD: file.dirFD, flags: 0, name: 'planted' });
        await attacker.call('Close', { fds: [...fds, ...openFDs, values?.openFD ?? 0] });
        attacker.sendRequest('Ack', { lastTag: attacker.lastTag, awaited: [] }, 1);
      }
    });
  },
}));

/** Where symlinks lead, and what would be there. */
export const TARGETS = [
  '../outside',
  '/',
  '/proc/self/root',
  '/proc/self/cwd',
  '/proc/self/fd',
  '/dev',
  '/etc',
];

const LINK_SEQUENCES: readonly Sequence[] = TARGETS.flatMap((target) =>
  (['client', 'host'] as const).map((maker): Sequence => ({
    name: `a symlink to ${target} that the ${maker} made`,
    holds: 'it is walked to and not through, and nothing of it is opened or changed',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      if (maker === 'host') symlinkSync(target, arena.in('out'));
      else await attacker.must('SymlinkAt', { dirFD: root, ...OWNER, name: 'out', target });
      const fd = await attacker.walk(root, 'out');
      const through = await attacker.must('Walk', { dirFD: root, path: ['out', 'secret'] });
      expect([through.status, through.inodes.length]).toEqual([2, 1]);
      const common = { dirFD: fd, ...OWNER, mode: 0o700, name: 'planted' };
      const outcomes = [
        await attacker.call('OpenAt', { fd, flags: O_RDONLY }),
        await attacker.call('OpenReadAt', { fd, flags: O_RDONLY, maxBytes: 100 }),
        await attacker.call('Walk', { dirFD: fd, path: ['secret'] }),
        await attacker.call('ListDir', { dirFD: fd, cookie: 0, maxBytes: 4096, flags: 0 }),
        await attacker.call('MkdirAt', common),
        await attacker.call('LinkAt', { dirFD: fd, targetFD: fd, name: 'planted' }),
        await attacker.call('Watch', { fd, mask: 0xfff, isRecursive: true }),
      ];
      for (const { said } of outcomes) expect(['EINVAL', 'ENOTDIR']).toContain(said);
      const changes = { ...NO_CHANGES, mask: STATX_MODE | STATX_SIZE, mode: 0o777 };
      const { values } = await attacker.call('SetStat', { fd, ...changes });
      expect(values?.failureMask).toBe(STATX_MODE | STATX_SIZE);
    },
  })),
);

interface NodeAsked {
  readonly name: string;
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
}

/** By any protocol: `mount` returns how a client of it asks for a node in the root. */
export function mknodSequences(
  by: Required<Sequence>['by'],
  mount: (arena: Arena) => Promise<(node: NodeAsked) => Promise<Outcome>>,
): Sequence[] {
  return [S_IFCHR, S_IFBLK, S_IFDIR, 0o170000].map((type): Sequence => ({
    name: `${by}: mknod of the type ${type.toString(8)}`,
    holds: 'EPERM, and nothing is made',
    by,
    async run(arena) {
      const mknod = await mount(arena);
      const before = arena.lookInside();
      // The memory of the machine, and its first disk.
      for (const [major, minor] of [
        [1, 1],
        [8, 0],
        [0, 0],
      ] as const) {
        const { said } = await mknod({ name: 'node', mode: type | 0o666, major, minor });
        expect(said).toBe('EPERM');
      }
      expect(arena.lookInside()).toEqual(before);
    },
  }));
}

const NOT_FILES: readonly Sequence[] = [
  {
    name: 'a FIFO that is opened in every way, with nobody at its other end',
    holds: 'EPERM at once',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const fd = await attacker.walk(root, 'fifo');
      for (let flags = 0; flags < 3; flags++) {
        expect((await attacker.call('OpenAt', { fd, flags })).said).toBe('EPERM');
        const first = { fd, flags, maxBytes: 1 };
        expect((await attacker.call('OpenReadAt', first)).said).toBe('EPERM');
      }
    },
  },
  ...mknodSequences('lisafs', async (arena) => {
    const { attacker, root: dirFD } = await arena.mounted();
    return (node) => attacker.call('MknodAt', { dirFD, ...OWNER, ...node });
  }),
  {
    name: 'a removed directory that is used on',
    holds: 'nothing is made in it, and no other directory is reached by it',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const dirFD = await attacker.walk(root, 'dir', 'deep');
      renameSync(arena.in('dir', 'deep'), arena.in('elsewhere'));
      execFileSync('rmdir', [arena.in('elsewhere')]);
      const made = await attacker.call('MkdirAt', { dirFD, ...OWNER, mode: 0o700, name: 'x' });
      expect(made.said).toBe('ENOENT');
    },
  },
];

const RIGHTS: readonly Sequence[] = [
  {
    name: 'set-ID bits, in every message that has a mode',
    holds: 'no file has them',
    async run(arena) {
      const { attacker, root: dirFD } = await arena.mounted();
      const mode = S_ISUID | S_ISGID | 0o777;
      const common = { dirFD, ...OWNER, mode };
      const data = new Uint8Array(1);
      const ids = { clientFD: 0, clientOpenFD: 0 };
      const { child } = await attacker.must('OpenCreateAt', {
        ...common,
        flags: O_RDWR,
        name: 'a',
      });
      await attacker.must('CreateWrite', { ...common, ...ids, flags: O_RDWR, name: 'b', data });
      const node = { ...common, mode: S_IFREG | mode, major: 0, minor: 0, name: 'c' };
      await attacker.must('MknodAt', node);
      await attacker.must('SetStat', {
        fd: child.controlFD,
        ...NO_CHANGES,
        mask: STATX_MODE,
        mode,
      });
      for (const name of ['a', 'b', 'c']) {
        expect(lstatSync(arena.in(name)).mode & (S_ISUID | S_ISGID)).toBe(0);
      }
    },
  },
  {
    name: 'a set-ID file of the host that a client writes',
    holds: 'it loses the bits before',
    async run(arena) {
      chmodSync(arena.in('file'), 0o6755);
      const { attacker, root } = await arena.mounted();
      const fd = await attacker.open(await attacker.walk(root, 'file'), O_RDWR);
      expect(lstatSync(arena.in('file')).mode & (S_ISUID | S_ISGID)).toBe(0);
      await attacker.must('PWrite', { fd, offset: 0, data: new Uint8Array(4) });
    },
  },
  {
    name: 'ids that stand for none, given in every message that has them',
    holds: 'EOVERFLOW or EINVAL, and nothing is made or given away',
    server: 'mapped',
    async run(arena) {
      const { attacker, root: dirFD } = await arena.mounted();
      const before = arena.lookInside();
      const fd = await attacker.walk(dirFD, 'file');
      for (const id of [0, 69, 71, 65_534, NO_ID - 1]) {
        const common = { dirFD, uid: id, gid: id, mode: 0o600, name: 'x' };
        const ids = { clientFD: 0, clientOpenFD: 0, data: new Uint8Array(0), flags: O_RDWR };
        const made = [
          await attacker.call('OpenCreateAt', { ...common, flags: O_RDWR }),
          await attacker.call('CreateWrite', { ...common, ...ids }),
          await attacker.call('MkdirAt', common),
          await attacker.call('MkdirAs', { ...common, clientFD: 0 }),
          await attacker.call('MknodAt', { ...common, major: 0, minor: 0 }),
          await attacker.call('SymlinkAt', { ...common, target: 'file' }),
        ];
        for (const { said } of made) expect(said).toBe('EOVERFLOW');
        const owner = { ...NO_CHANGES, mask: STATX_UID | STATX_GID, uid: id, gid: id };
        expect((await attacker.call('SetStat', { fd, ...owner })).said).toBe('EINVAL');
      }
      expect(arena.lookInside()).toEqual(before);
    },
  },
];

/** Only root may mount. Elsewhere there are none to be walked to. */
const canMount = process.geteuid?.() === 0 && process.platform === 'linux';

const MOUNTS: readonly Sequence[] = (canMount ? ['proc', 'sysfs'] : []).map((type): Sequence => ({
  name: `${type} that is mounted in the folder`,
  holds: 'EACCES for what is in it',
  async run(arena) {
    mkdirSync(arena.in('mounted'));
    execFileSync('mount', ['-t', type, type, arena.in('mounted')]);
    try {
      const { attacker, root: dirFD } = await arena.mounted();
      const paths = [['mounted'], ['mounted', 'self'], ['mounted', 'version']];
      for (const path of paths) {
        const wanted = { dirFD, path, flags: O_RDONLY, maxBytes: 100 };
        expect((await attacker.call('WalkOpenRead', wanted)).said).toBe('EACCES');
      }
      await attacker.leave();
    } finally {
      execFileSync('umount', ['-l', arena.in('mounted')]);
    }
  },
}));

export const HOST_FAMILIES = {
  'somebody on the host': SWAP_SEQUENCES,
  symlinks: LINK_SEQUENCES,
  'what is no file': NOT_FILES,
  rights: RIGHTS,
  ...(MOUNTS.length > 0 && { mounts: MOUNTS }),
};
