// A worker that does with Burrow, ZenFS on IndexedDB and LightningFS what hurts a filesystem that
// keeps a file as one record, or all names in one: a large file, a piece of it, a tree that is
// opened with nothing in memory.

import { expose } from 'comlink';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import { makeTask } from '../support/kernels.ts';
import { timeOf } from './measure.ts';
import { bootStored, removeStored } from './stored-kernel.ts';
import { openLightning, openZenfs, type Peer } from './stored-peers.ts';

/** In this order, and what is read or opened is so with nothing in memory. */
export const PEER_WORKS = [
  'write',
  'read piece',
  'overwrite piece',
  'read',
  'make tree',
  'open tree',
] as const;
export type PeerWork = (typeof PEER_WORKS)[number];

export interface PeerSizes {
  readonly fileMib: number;
  readonly files: number;
}

/** Milliseconds. */
export type PeerTimes = Readonly<Record<PeerWork, number>>;

export interface PeersService {
  run(subject: string, sizes: PeerSizes, round: number): Promise<PeerTimes>;
}

interface Subject {
  readonly works: Readonly<Record<PeerWork, () => Promise<void>>>;
  reopen(): Promise<void>;
  close(): Promise<void>;
}

const MIB = 2 ** 20;
const PIECE = 4096;
const PER_DIRECTORY = 100;
const LARGE = '/large';

const noise = new Uint8Array(MIB);
for (let at = 0; at < MIB; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));

function checkLength(length: number, wanted: number): void {
  if (length !== wanted) throw new Error(`${length} bytes were read, and not ${wanted}`);
}

const middleOf = ({ fileMib }: PeerSizes): number => Math.floor(fileMib / 2) * MIB;
const directoryPath = (index: number): string => `/d${Math.floor(index / PER_DIRECTORY)}`;
const filePath = (index: number): string => `${directoryPath(index)}/file${index}.txt`;

async function makeBurrow(source: string, sizes: PeerSizes): Promise<Subject> {
  let kernel = await bootStored(source);
  let sys = makeTask(kernel, ROOT_CREDENTIALS);
  const buffer = new Uint8Array(MIB);

  function* write(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, LARGE, O_CREAT | O_WRONLY, 0o644);
    for (let i = 0; i < sizes.fileMib; i++) yield* sys.write(fd, noise);
    yield* sys.fsync(fd);
    yield* sys.close(fd);
  }
  function* readPiece(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, LARGE, O_RDONLY, 0);
    const piece = buffer.subarray(0, PIECE);
    checkLength(yield* sys.pread(fd, piece, middleOf(sizes)), PIECE);
    yield* sys.close(fd);
  }
  function* overwritePiece(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, LARGE, O_RDWR, 0);
    yield* sys.pwrite(fd, noise.subarray(0, PIECE), middleOf(sizes));
    yield* sys.fsync(fd);
    yield* sys.close(fd);
  }
  function* read(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, LARGE, O_RDONLY, 0);
    let total = 0;
    for (let count = 1; count > 0; total += count) count = yield* sys.read(fd, buffer);
    checkLength(total, sizes.fileMib * MIB);
    yield* sys.close(fd);
  }
  function* makeTree(): Op<void> {
    for (let index = 0; index < sizes.files; index++) {
      if (index % PER_DIRECTORY === 0) {
        yield* sys.mkdirat(AT_FDCWD, directoryPath(index), 0o755, 0);
      }
      const fd = yield* sys.openat(AT_FDCWD, filePath(index), O_CREAT | O_WRONLY, 0o644);
      yield* sys.write(fd, noise.subarray(0, 1024));
      yield* sys.close(fd);
    }
    yield* sys.sync();
  }
  const open = async (): Promise<void> => {
    kernel = await bootStored(source);
    sys = makeTask(kernel, ROOT_CREDENTIALS);
  };
  const reopen = async (): Promise<void> => {
    await runAsync(kernel.shutdown());
    await open();
  };
  return {
    works: {
      write: () => runAsync(write()),
      'read piece': () => runAsync(readPiece()),
      'overwrite piece': () => runAsync(overwritePiece()),
      read: () => runAsync(read()),
      'make tree': () => runAsync(makeTree()),
      'open tree': async () => {
        await reopen();
        await runAsync(sys.fstatat(AT_FDCWD, filePath(sizes.files - 1), 0));
      },
    },
    reopen,
    close: () => runAsync(kernel.shutdown()),
  };
}

/** They get the large file in one call, which is what they are best at. */
async function makePeer(opened: Promise<Peer>, sizes: PeerSizes): Promise<Subject> {
  const peer = await opened;
  const piece = new Uint8Array(PIECE);
  const middle = middleOf(sizes);
  return {
    works: {
      write: async () => {
        const all = new Uint8Array(sizes.fileMib * MIB);
        for (let i = 0; i < sizes.fileMib; i++) all.set(noise, i * MIB);
        await peer.fs.writeFile(LARGE, all);
        await peer.flush();
      },
      'read piece': async () => {
        if (peer.piece !== undefined) {
          checkLength(await peer.piece.read(LARGE, piece, middle), PIECE);
          return;
        }
        piece.set((await peer.fs.readFile(LARGE)).subarray(middle, middle + PIECE));
      },
      'overwrite piece': async () => {
        if (peer.piece !== undefined) {
          await peer.piece.write(LARGE, piece, middle);
        } else {
          const all = await peer.fs.readFile(LARGE);
          all.set(piece, middle);
          await peer.fs.writeFile(LARGE, all);
        }
        await peer.flush();
      },
      read: async () => {
        checkLength((await peer.fs.readFile(LARGE)).length, sizes.fileMib * MIB);
      },
      'make tree': async () => {
        for (let index = 0; index < sizes.files; index++) {
          if (index % PER_DIRECTORY === 0) await peer.fs.mkdir(directoryPath(index));
          await peer.fs.writeFile(filePath(index), noise.subarray(0, 1024));
        }
        await peer.flush();
      },
      'open tree': async () => {
        await peer.reopen();
        await peer.fs.stat(filePath(sizes.files - 1));
      },
    },
    reopen: () => peer.reopen(),
    close: () => Promise.resolve(),
  };
}

const MAKERS: Readonly<Record<string, (name: string, sizes: PeerSizes) => Promise<Subject>>> = {
  burrow: makeBurrow,
  'zenfs-indexeddb': (name, sizes) => makePeer(openZenfs(name), sizes),
  lightning: (name, sizes) => makePeer(openLightning(name), sizes),
};

const service: PeersService = {
  async run(kind, sizes, round) {
    const make = MAKERS[kind];
    if (make === undefined) throw new Error(`no subject ${kind}`);
    const name = `bench peers ${kind} ${round}`;
    const subject = await make(name, sizes);
    const times: Partial<Record<PeerWork, number>> = {};
    for (const work of PEER_WORKS) {
      if (work.startsWith('read') || work.startsWith('overwrite')) await subject.reopen();
      times[work] = await timeOf(() => subject.works[work]());
    }
    await subject.close();
    // Others have theirs open until this worker ends.
    indexedDB.deleteDatabase(name);
    await removeStored(name);
    return times as PeerTimes;
  },
};

expose(service);
