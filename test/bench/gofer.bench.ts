// A worker that mounts what `burrowfs gofer` serves, beside a bare WebSocket: how fast large files
// go, and how often a round trip is waited for where one takes long.

import { expose } from 'comlink';
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from '../../src/abi/fcntl.ts';
import { DT_DIR } from '../../src/abi/stat.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { parseGoferUrl, protocolsFor } from '../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../src/transport/web-socket.ts';
import { connectToGofer } from '../../worker/connect-gofer.ts';
import { DelayedLink } from './delayed-link.ts';
import { timeOf } from './measure.ts';
import { Naive9p } from './naive-9p.ts';

export interface GoferAddresses {
  /** Of the gofer, with its token. */
  readonly gofer: string;
  /** Of the server of bare frames: .tools/bench-frames.mjs. */
  readonly frames: string;
}

/** Milliseconds. */
export interface TransferTimes {
  readonly write: number;
  readonly read: number;
}

/** What one thing costs that is done with nothing in memory, unless it is said. */
export interface Trips {
  readonly requests: number;
  /** One after the other. */
  readonly rounds: number;
  readonly ms: number;
}

export interface GoferService {
  /** A new file, to its fsync; then, mounted anew, read. */
  transfer(addresses: GoferAddresses, mib: number): Promise<TransferTimes>;
  /** The same bytes, one MiB a frame. */
  frames(addresses: GoferAddresses, mib: number): Promise<TransferTimes>;
  /** The names are those of TRIPS. */
  trips(addresses: GoferAddresses, delayMs: number): Promise<Record<string, Trips>>;
  /** What `find` costs who asks by 9P and waits for each answer. */
  naiveFind(addresses: GoferAddresses, delayMs: number): Promise<Trips>;
}

const MIB = 2 ** 20;
const FILE_SIZE = 4096;
const LISTING_SIZE = 32_768;
const NEW_FILES = 1000;
/** Frames of the bare WebSocket that may be under way. */
const FRAMES_AHEAD = 16;

const clock = new RealClock();

interface Mounted {
  readonly kernel: Kernel;
  readonly sys: Syscalls;
}

async function mount(
  source: string,
  mountOptions: { readonly cache: string; readonly aname?: string },
  wrap: (transport: Transport) => Transport = (transport) => transport,
): Promise<Mounted> {
  const connect = connectToGofer(clock);
  const platform = {
    clock,
    fillRandom: (bytes: Uint8Array) => {
      crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    },
    openStore: () => Promise.reject(new Error('there is no store')),
    connectGofer: async (link: Parameters<typeof connect>[0]) => wrap(await connect(link)),
  };
  const spec = { type: 'gofer', source, options: mountOptions } as const;
  const kernel = await runAsync(Kernel.boot(platform, spec));
  // Not at once, where each name is looked at again.
  const { sys } = await runAsync(kernel.createTask({ creds: ROOT_CREDENTIALS }));
  return { kernel, sys };
}

/** Noise: nothing on the way can make it less. */
function noise(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

function* writeFile(sys: Syscalls, path: string, piece: Uint8Array, pieces: number): Op<void> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, 0o644);
  for (let i = 0; i < pieces; i++) {
    for (let done = 0; done < piece.length;) done += yield* sys.write(fd, piece.subarray(done));
  }
  yield* sys.fsync(fd);
  yield* sys.close(fd);
}

/** Number of bytes. */
function* readFile(sys: Syscalls, path: string, buffer: Uint8Array): Op<number> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  let size = 0;
  for (;;) {
    const count = yield* sys.read(fd, buffer);
    if (count === 0) break;
    size += count;
  }
  yield* sys.close(fd);
  return size;
}

function* list(sys: Syscalls, path: string): Op<{ names: string[]; directories: string[] }> {
  const fd = yield* sys.openat(AT_FDCWD, path || '/', O_RDONLY | O_DIRECTORY, 0);
  const [names, directories]: string[][] = [[], []];
  for (;;) {
    const batch = yield* sys.getdents(fd, LISTING_SIZE);
    if (batch.length === 0) break;
    for (const { name, type } of batch) {
      if (name === '.' || name === '..') continue;
      names!.push(name);
      if (type === DT_DIR) directories!.push(name);
    }
  }
  yield* sys.close(fd);
  return { names: names!, directories: directories! };
}

/** Number of names below. */
function* find(sys: Syscalls, path: string): Op<number> {
  const { names, directories } = yield* list(sys, path);
  let count = names.length;
  for (const name of directories) count += yield* find(sys, `${path}/${name}`);
  return count;
}

function* listLong(sys: Syscalls, path: string): Op<number> {
  const { names } = yield* list(sys, path);
  for (const name of names) yield* sys.fstatat(AT_FDCWD, `${path}/${name}`, 0);
  return names.length;
}

function* createMany(sys: Syscalls): Op<number> {
  const bytes = new Uint8Array(FILE_SIZE).fill(1);
  yield* sys.mkdirat(AT_FDCWD, '/made', 0o755, 0);
  for (let i = 0; i < NEW_FILES; i++) {
    const fd = yield* sys.openat(AT_FDCWD, `/made/f${i}`, O_CREAT | O_WRONLY, 0o644);
    yield* sys.write(fd, bytes);
    yield* sys.close(fd);
  }
  yield* sys.sync();
  return NEW_FILES;
}

const TREE = 'tree';
const TREE_NAMES = 10_100;

const MESSAGE_SIZE_MAX = 4 << 20;
const TIMEOUT_MS = 15_000;

const DEEP = '/a/b/c/d/e/f/g/file';

function* statDeep(sys: Syscalls): Op<number> {
  return (yield* sys.fstatat(AT_FDCWD, DEEP, 0)).size;
}

interface Trip {
  readonly cache: string;
  /** What is mounted, if not all. */
  readonly aname?: string;
  readonly run: (sys: Syscalls) => Op<number>;
  readonly before?: (sys: Syscalls) => Op<unknown>;
  /** What `run` answers if all was there: .tools/bench-gofer.mjs makes the tree. */
  readonly wanted: number;
}

const stat = { run: statDeep, wanted: FILE_SIZE };
const warmStat = { ...stat, before: statDeep };

const TRIPS: Readonly<Record<string, Trip>> = {
  stat: { cache: 'exclusive', ...stat },
  'stat, again': { cache: 'exclusive', ...warmStat },
  'stat, again, writethrough': { cache: 'writethrough', ...warmStat },
  'stat, again, shared': { cache: 'shared', ...warmStat },
  'open, read, close': {
    cache: 'exclusive',
    run: (sys) => readFile(sys, DEEP, new Uint8Array(2 * FILE_SIZE)),
    wanted: FILE_SIZE,
  },
  'ls -l': { cache: 'exclusive', run: (sys) => listLong(sys, '/list'), wanted: 1000 },
  find: { cache: 'exclusive', aname: `/${TREE}`, run: (sys) => find(sys, ''), wanted: TREE_NAMES },
  create: { cache: 'exclusive', run: createMany, wanted: NEW_FILES },
};

const viewOf = ({ buffer, byteOffset }: Uint8Array): DataView => new DataView(buffer, byteOffset);
/** Of a frame with tags: src/lisafs/README.md. */
const lisafsTag = (message: Uint8Array): number => viewOf(message).getUint32(8, true);
/** 9P: intro(5). */
const p9Tag = (message: Uint8Array): number => viewOf(message).getUint16(5, true);

function optionsOf({ cache, aname }: Trip): { cache: string; aname?: string } {
  return { cache, ...(aname === undefined ? {} : { aname }) };
}

async function measureTrip(trip: Trip, source: string, delayMs: number): Promise<Trips> {
  const link = new DelayedLink(delayMs, lisafsTag);
  const { kernel, sys } = await mount(source, optionsOf(trip), (transport) => link.wrap(transport));
  if (trip.before !== undefined) await runAsync(trip.before(sys));
  link.reset();
  const ms = await timeOf(async () => {
    const found = await runAsync(trip.run(sys));
    if (found !== trip.wanted) throw new Error(`${found}, and not ${trip.wanted}`);
  });
  const { requests, rounds } = link;
  await runAsync(kernel.shutdown());
  return { requests, rounds, ms };
}

/** A WebSocket, and how many messages have come. */
class Frames {
  readonly #socket: WebSocket;
  #bytes = 0;
  #wake: (() => void) | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      this.#bytes += data.byteLength;
      this.#wake?.();
    };
  }

  static async open(url: string): Promise<Frames> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Frames(socket);
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  /** Waits for so many bytes in all. */
  async until(bytes: number): Promise<void> {
    while (this.#bytes < bytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}

const service: GoferService = {
  async transfer({ gofer }, mib) {
    const piece = noise();
    const writer = await mount(gofer, { cache: 'exclusive' });
    const write = await timeOf(() => runAsync(writeFile(writer.sys, '/large', piece, mib)));
    await runAsync(writer.kernel.shutdown());
    const reader = await mount(gofer, { cache: 'exclusive' });
    const read = await timeOf(async () => {
      const size = await runAsync(readFile(reader.sys, '/large', new Uint8Array(MIB)));
      if (size !== mib * MIB) throw new Error(`${size} bytes were read`);
    });
    await runAsync(reader.sys.unlinkat(AT_FDCWD, '/large', 0));
    await runAsync(reader.kernel.shutdown());
    return { write, read };
  },

  async frames({ frames: url }, mib) {
    const piece = noise();
    // Each frame is answered by a byte.
    const up = await Frames.open(`${url}up`);
    const write = await timeOf(async () => {
      for (let i = 0; i < mib; i++) {
        up.send(piece);
        await up.until(i + 1 - FRAMES_AHEAD);
      }
      await up.until(mib);
    });
    up.close();
    // Each byte is answered by a frame.
    const down = await Frames.open(`${url}down`);
    const read = await timeOf(async () => {
      for (let i = 0; i < mib; i++) {
        down.send(new Uint8Array(1));
        await down.until((i + 1 - FRAMES_AHEAD) * MIB);
      }
      await down.until(mib * MIB);
    });
    down.close();
    return { write, read };
  },

  async trips({ gofer }, delayMs) {
    const result: Record<string, Trips> = {};
    for (const [name, trip] of Object.entries(TRIPS)) {
      result[name] = await measureTrip(trip, gofer, delayMs);
    }
    return result;
  },

  async naiveFind({ gofer }, delayMs) {
    const { url, token } = parseGoferUrl(gofer);
    const link = new DelayedLink(delayMs, p9Tag);
    const transport = await connectWebSocket(url, {
      clock,
      messageSizeMax: MESSAGE_SIZE_MAX,
      timeoutMs: TIMEOUT_MS,
      protocols: ['9p2000.L'],
      extraProtocols: protocolsFor(token),
    });
    const client = await Naive9p.attach(link.wrap(transport));
    link.reset();
    const ms = await timeOf(async () => {
      const found = await client.find([TREE]);
      if (found !== TREE_NAMES) throw new Error(`${found}, and not ${TREE_NAMES}`);
    });
    client.close();
    const { requests, rounds } = link;
    return { requests, rounds, ms };
  },
};

expose(service);
