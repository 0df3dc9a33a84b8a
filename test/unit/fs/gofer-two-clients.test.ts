// Two clients of one server in shared mode: what one was told is done, the other sees, whatever
// it has seen before. By a WebSocket, and by one whose answers take a while.
//
// A writer changes one thing at a time and notes it once the call has returned. Readers look all
// the while: each look is of no earlier state than what was noted when it began, and of no later
// one than what had been begun when it ended.

import { afterEach, describe, expect, test } from 'vitest';
import { LinuxError } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
} from '../../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { clientOf, endGofers, gofer, type GoferClient } from '../../support/gofer-kernels.ts';
import { randomFrom } from '../../wire/message-checks.ts';

afterEach(endGofers);

type Random = (limit: number) => number;

interface Client extends GoferClient {
  readonly sys: AsyncSyscalls;
}

const DIRS = ['a', 'b'];
const NAMES = ['f', 'g', 'h'];
const PATHS = DIRS.flatMap((dir) => NAMES.map((name) => `/${dir}/${name}`));
const READ_SIZE = 4096;

/** Names that don't exist are as much a state as those that do. */
type Look =
  | { readonly what: 'data' | 'attributes'; readonly path: string }
  | { readonly what: 'listing'; readonly path: string };

/** Everything there is, at some time; a value for each look that could be taken. */
class Model {
  readonly #files = new Map<string, { text: string; mode: number }>();
  /** States one after the other: what each look would find. */
  readonly #states: Map<string, string>[] = [];
  /** Of the latest state that was acknowledged. */
  acknowledged = 0;

  constructor() {
    this.#note();
  }

  get latest(): number {
    return this.#states.length - 1;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  change(run: (files: Map<string, { text: string; mode: number }>) => void): void {
    run(this.#files);
    this.#note();
  }

  #note(): void {
    const state = new Map<string, string>();
    for (const path of PATHS) {
      const file = this.#files.get(path);
      state.set(`data ${path}`, file?.text ?? 'ENOENT');
      const looks = file === undefined ? 'ENOENT' : `${file.text.length} ${file.mode.toString(8)}`;
      state.set(`attributes ${path}`, looks);
    }
    for (const dir of DIRS) {
      const names = NAMES.filter((name) => this.#files.has(`/${dir}/${name}`));
      state.set(`listing /${dir}`, names.join());
    }
    this.#states.push(state);
  }

  /** What a look may find that began after one state and ended before another. */
  between({ what, path }: Look, from: number, to: number): Set<string> {
    const states = this.#states.slice(from, to + 1);
    return new Set(states.map((state) => state.get(`${what} ${path}`)!));
  }
}

async function orErrno(run: () => Promise<string>): Promise<string> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof LinuxError) return error.code;
    throw error;
  }
}

async function read(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const buffer = new Uint8Array(READ_SIZE);
  const count = await sys.pread(fd, buffer, 0);
  await sys.close(fd);
  return decodeUtf8(buffer.subarray(0, count));
}

async function list(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  const names: string[] = [];
  for (;;) {
    const entries = await sys.getdents(fd, READ_SIZE);
    if (entries.length === 0) break;
    names.push(...entries.map(({ name }) => name));
  }
  await sys.close(fd);
  return names
    .filter((name) => NAMES.includes(name))
    .toSorted()
    .join();
}

function take({ sys }: Client, { what, path }: Look): Promise<string> {
  return orErrno(async () => {
    if (what === 'data') return read(sys, path);
    if (what === 'listing') return list(sys, path);
    const { size, mode } = await sys.fstatat(AT_FDCWD, path, 0);
    return `${size} ${(mode & 0o777).toString(8)}`;
  });
}

function anyLook(random: Random): Look {
  const what = (['data', 'attributes', 'listing'] as const)[random(3)]!;
  if (what === 'listing') return { what, path: `/${DIRS[random(DIRS.length)]!}` };
  return { what, path: PATHS[random(PATHS.length)]! };
}

/** What a writer does, and what is so once it is done. It leaves nothing half done in between. */
interface Change {
  run(sys: AsyncSyscalls): Promise<unknown>;
  model(files: Map<string, { text: string; mode: number }>): void;
}

/** Overwrites what is there by one write, which is seen whole: all texts have one length. */
function write(path: string, text: string): Change {
  return {
    run: async (sys) => {
      const fd = await sys.openat(AT_FDCWD, path, O_RDWR, 0);
      await sys.pwrite(fd, encodeUtf8(text), 0);
      await sys.close(fd);
    },
    model: (files) => {
      files.get(path)!.text = text + files.get(path)!.text.slice(text.length);
    },
  };
}

function anyChange(random: Random, model: Model, step: number): Change {
  const path = PATHS[random(PATHS.length)]!;
  const other = PATHS[random(PATHS.length)]!;
  if (!model.has(path)) {
    return {
      run: async (sys) => {
        const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_TRUNC | O_RDWR, 0o644);
        await sys.close(fd);
      },
      model: (files) => files.set(path, { text: '', mode: 0o644 }),
    };
  }
  const mode = 0o600 + random(0o100);
  const size = random(12);
  const changes: Change[] = [
    write(path, `step ${step}`.padEnd(10)),
    write(path, `more ${step}`.padEnd(20 + random(20), '.')),
    {
      run: (sys) => sys.truncate(path, size),
      model: (files) => {
        const file = files.get(path)!;
        file.text = file.text.slice(0, size).padEnd(size, '\0');
      },
    },
    {
      run: (sys) => sys.fchmodat(AT_FDCWD, path, mode, 0),
      model: (files) => {
        files.get(path)!.mode = mode;
      },
    },
    {
      run: (sys) => sys.unlinkat(AT_FDCWD, path, 0),
      model: (files) => files.delete(path),
    },
    {
      run: (sys) => sys.renameat2(AT_FDCWD, path, AT_FDCWD, other, 0),
      model: (files) => {
        const file = files.get(path)!;
        files.delete(path);
        files.set(other, file);
      },
    },
  ];
  return changes[random(changes.length)]!;
}

async function twoClients(isSlow: boolean): Promise<[Client, Client]> {
  const server = await gofer();
  const open = async (): Promise<Client> => {
    const client = await clientOf(server, { cache: 'shared', isSlow });
    return { ...client, sys: (await client.process()).sys };
  };
  const clients: [Client, Client] = [await open(), await open()];
  for (const dir of DIRS) await clients[0].sys.mkdirat(AT_FDCWD, `/${dir}`, 0o755, 0);
  return clients;
}

/** Both are writers by turns: what one has cached of its own is changed by the other. */
async function takeTurns(clients: readonly Client[], seed: number, rounds: number) {
  const random = randomFrom(seed);
  const model = new Model();
  let found = 0;
  for (let step = 0; step < rounds; step++) {
    const writer = clients[random(2)]!;
    const reader = clients[0] === writer ? clients[1]! : clients[0]!;
    const change = anyChange(random, model, step);
    await change.run(writer.sys);
    model.change(change.model);
    const look = anyLook(random);
    const seen = await take(reader, look);
    const [wanted] = model.between(look, model.latest, model.latest);
    expect(seen, `seed ${seed}, step ${step}: ${look.what} of ${look.path}`).toBe(wanted);
    if (wanted !== 'ENOENT' && wanted !== '') found++;
  }
  return found;
}

/** The reader doesn't wait for the writer: it looks while changes are on their way, too. */
async function goOnTogether([writer, reader]: readonly Client[], seed: number, rounds: number) {
  const random = randomFrom(seed);
  const readerRandom = randomFrom(seed + 1000);
  const model = new Model();
  let isDone = false;
  const writing = async (): Promise<void> => {
    for (let step = 0; step < rounds; step++) {
      const change = anyChange(random, model, step);
      // From here on it may be seen; once it is done it must.
      model.change(change.model);
      await change.run(writer!.sys);
      model.acknowledged = model.latest;
    }
    isDone = true;
  };
  const reading = async (): Promise<number> => {
    let looks = 0;
    for (; !isDone; looks++) {
      const look = anyLook(readerRandom);
      const from = model.acknowledged;
      const seen = await take(reader!, look);
      const allowed = model.between(look, from, model.latest);
      const where = `seed ${seed}, look ${looks}: ${look.what} of ${look.path}`;
      expect([...allowed], where).toContain(seen);
    }
    return looks;
  };
  const results = await Promise.all([writing(), reading(), reading()]);
  return results[1] + results[2];
}

describe.each([
  { link: 'by a WebSocket', isSlow: false, rounds: 1500 },
  { link: 'by one that delays answers', isSlow: true, rounds: 60 },
])('shared, $link', ({ isSlow, rounds }) => {
  test.each([1, 2])(
    'what one was told is done the other sees, seed %i',
    async (seed) => {
      const found = await takeTurns(await twoClients(isSlow), seed, rounds);
      expect(found).toBeGreaterThan(rounds / 4);
    },
    120_000,
  );

  test.each([1, 2])(
    'no look is of a time before what was told is done when it began, seed %i',
    async (seed) => {
      const looks = await goOnTogether(await twoClients(isSlow), seed, rounds);
      expect(looks).toBeGreaterThan(rounds / 4);
    },
    120_000,
  );
});

test('a directory that was removed by one is gone for the other, which had listed it', async () => {
  const [a, b] = await twoClients(false);
  for (let round = 0; round < 100; round++) {
    await a.sys.mkdirat(AT_FDCWD, '/a/sub', 0o755, 0);
    await b.sys.fstatat(AT_FDCWD, '/a/sub', 0);
    expect(await list(b.sys, '/a/sub')).toBe('');
    await a.sys.unlinkat(AT_FDCWD, '/a/sub', AT_REMOVEDIR);
    expect(await orErrno(() => list(b.sys, '/a/sub'))).toBe('ENOENT');
  }
});
