// The real Linux as a stage for conformance cases: a python3 process (agent.py) that forks one
// child for each subject and makes the system calls there.

import type { Feature, Stage } from '../../conformance/case.ts';
import type { ProcessCalls, SubjectCredentials } from '../../conformance/process.ts';
import type { ArgumentKind, ResultKind, SyscallName } from '../../../src/syscalls/table.ts';
import { chmod, mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { allLinuxErrors } from '../../../src/abi/errno.ts';
import { O_CREAT, O_RDONLY, AT_FDCWD } from '../../../src/abi/fcntl.ts';
import { ST_NOATIME, TMPFS_MAGIC } from '../../../src/abi/stat.ts';
import { assert } from '../../../src/lib/assert.ts';
import { SYSCALLS } from '../../../src/syscalls/table.ts';
import { AgentProcess } from './agent-process.ts';

export interface LinuxDirectory {
  /** The type of the filesystem it is on. */
  readonly type: string;
  readonly lacking: ReadonlySet<Feature>;
  readonly path: string;
}

type Answer = { value: unknown } | { errno: number } | { bug: string };

/** So often in a row a subject must be seen asleep: a call may sleep for a moment on its way. */
const WAITS_SEEN = 3;

/** Filesystems whose behaviour is Linux's common one, by the magic number statfs(2) gives. */
const KNOWN_TYPES: ReadonlyMap<number, string> = new Map([
  [TMPFS_MAGIC, 'tmpfs'],
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x794c7630, 'overlay'],
]);

/** Where ours do as tmpfs. */
const UNLIKE_TMPFS: readonly Feature[] = [
  'punching beyond the end',
  'truncating to the same size without a trace',
];

/** What cases ask for and these types of filesystems can't do. */
export const LINUX_TYPES: ReadonlyMap<string, ReadonlySet<Feature>> = new Map([
  ['tmpfs', new Set<Feature>(['zeroing ranges', 'moving ranges'])],
  ['ext4', new Set<Feature>([...UNLIKE_TMPFS, 'large extended attributes'])],
  ['xfs', new Set<Feature>(UNLIKE_TMPFS)],
  [
    'overlay',
    new Set<Feature>([
      ...UNLIKE_TMPFS,
      'zeroing ranges',
      'moving ranges',
      'large extended attributes',
    ]),
  ],
]);

/** The directories of this machine that cases can run in, one a filesystem type. */
export async function findLinuxDirectories(): Promise<LinuxDirectory[]> {
  const found = new Map<string, LinuxDirectory>();
  for (const path of ['/dev/shm', tmpdir()]) {
    const info = await statfs(path).catch(() => undefined);
    const type = info === undefined ? undefined : KNOWN_TYPES.get(info.type);
    if (type === undefined || found.has(type)) continue;
    found.set(type, { type, path, lacking: LINUX_TYPES.get(type) ?? new Set() });
  }
  assert(found.size > 0, 'neither /dev/shm nor the temporary directory is tmpfs, ext4 or the like');
  return [...found.values()];
}

/** Starts an agent and makes a directory for its cases below `parent`. */
export async function openLinuxStage(parent: string): Promise<Stage> {
  if (process.getuid?.() !== 0) {
    throw new Error('the cases on the real Linux act as several users: run them as root');
  }
  const directory = await mkdtemp(`${parent}/burrow-conformance-`);
  await chmod(directory, 0o755);
  const stage = new LinuxStage(directory);
  try {
    await stage.checkAssumptions();
  } catch (error) {
    await stage.close();
    throw error;
  }
  return stage;
}

class LinuxStage implements Stage {
  readonly directory: string;
  readonly #process = new AgentProcess<Answer>('agent.py');
  #agentCount = 0;
  #agents: number[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  async #call(agent: number, name: SyscallName, args: readonly unknown[]): Promise<unknown> {
    const kinds: readonly ArgumentKind[] = SYSCALLS[name].args;
    const encoded = args.map((value, index) => encodeArgument(kinds[index], value));
    const answer = await this.#process.ask({ op: 'call', agent, name, args: encoded });
    if ('bug' in answer) throw new Error(answer.bug);
    if ('errno' in answer) {
      const error = allLinuxErrors.find(({ errno }) => errno === answer.errno);
      throw error ?? new Error(`${name}: unknown errno ${answer.errno}`);
    }
    const bufferIndex = kinds.indexOf('buffer');
    if (bufferIndex < 0) return decodeResult(SYSCALLS[name].result, answer.value);
    const { size, data } = answer.value as { size: number; data: string };
    (args[bufferIndex] as Uint8Array).set(Buffer.from(data, 'base64'));
    return size;
  }

  async #isWaiting(agent: number, hasSettled: () => boolean): Promise<boolean> {
    let seen = 0;
    while (!hasSettled()) {
      const answer = await this.#process.ask({ op: 'waits', agent });
      seen = 'value' in answer && answer.value === true ? seen + 1 : 0;
      if (seen === WAITS_SEEN) return !hasSettled();
    }
    return false;
  }

  async start(credentials: SubjectCredentials): Promise<ProcessCalls> {
    this.#agentCount += 1;
    const agent = this.#agentCount;
    await this.#process.ask({
      op: 'fork',
      agent,
      ...credentials,
      groups: credentials.groups ?? [],
    });
    this.#agents.push(agent);
    const names = Object.keys(SYSCALLS) as SyscallName[];
    const call =
      (name: SyscallName) =>
      (...args: readonly unknown[]) =>
        this.#call(agent, name, args);
    const calls: unknown = {
      ...Object.fromEntries(names.map((name) => [name, call(name)])),
      isWaiting: (hasSettled: () => boolean) => this.#isWaiting(agent, hasSettled),
      interrupt: async () => {
        await this.#process.ask({ op: 'interrupt', agent });
      },
    };
    // The functions derive from the same table as the type does.
    return calls as ProcessCalls;
  }

  async endCase(): Promise<void> {
    for (const agent of this.#agents.splice(0)) await this.#process.ask({ op: 'exit', agent });
  }

  async close(): Promise<void> {
    await this.#process.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** What the cases take for granted and a machine may have set otherwise. */
  async checkAssumptions(): Promise<void> {
    const root = await this.start({ uid: 0, gid: 0 });
    const path = `${this.directory}/probe`;
    await root.close(await root.openat(AT_FDCWD, path, O_RDONLY | O_CREAT, 0o600));
    const { flags } = await root.statfs(path);
    if ((flags & ST_NOATIME) !== 0) throw new Error(`${this.directory} is mounted noatime`);
    const user = await this.start({ uid: 1000, gid: 1000 });
    await user.fstatat(AT_FDCWD, path, 0).catch((cause: unknown) => {
      throw new Error(`other users can't search the way to ${this.directory}`, { cause });
    });
    await this.endCase();
    const protectedHardlinks = await readFile('/proc/sys/fs/protected_hardlinks', 'utf8');
    if (protectedHardlinks.trim() !== '1') {
      throw new Error('fs.protected_hardlinks is off: set it to 1, as distributions do');
    }
  }
}

function encodeArgument(kind: ArgumentKind | undefined, value: unknown): unknown {
  switch (kind) {
    case 'bytes':
      return Buffer.from(value as Uint8Array).toString('base64');
    case 'buffer':
      return (value as Uint8Array).length;
    case 'timespec': {
      const { sec, nsec } = value as { sec: number; nsec: number };
      return [sec, nsec];
    }
    default:
      return value;
  }
}

function decodeResult(kind: ResultKind, value: unknown): unknown {
  if (kind === 'void') return undefined;
  if (kind !== 'stat' && kind !== 'statx') return value;
  const stat = value as Record<string, unknown>;
  for (const name of ['atime', 'mtime', 'ctime', 'btime']) {
    const [sec, nsec] = stat[name] as [number, number];
    stat[name] = { sec, nsec };
  }
  if (kind === 'stat') {
    delete stat['mask'];
    delete stat['mountId'];
  }
  return stat;
}
