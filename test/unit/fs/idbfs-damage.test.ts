// What a damaged medium does to a filesystem: EIO for what is damaged and nothing else, never
// something that wasn't written; a check that notices; and a repair that saves what is whole.

import { describe, expect, test, vi } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import { checkStore } from '../../../src/fs/idbfs/check.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { repairDevice } from '../../../src/fs/idbfs/repair.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { loadChecksum } from '../../../src/store/engine/checksum.ts';
import { Engine } from '../../../src/store/engine/engine.ts';
import { type DeviceImage, MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';

vi.setConfig({ testTimeout: 120_000 });

const checksum = await loadChecksum();
const BLOCK = 4096;

/** Path → its content. */
type Contents = Map<string, Uint8Array>;
/** Path → other places where a repair may put it. */
type Places = Map<string, string[]>;

async function open(device: MemoryDevice): Promise<Session<Idbfs>> {
  const store = await runAsync(Engine.open({ device, checksum, cacheBytes: 1 << 20 }));
  return runAsync(openIdbfs({ store, clock: new FakeClock() }));
}

function content(seed: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => 1 + ((seed * 31 + at * 7 + (at >> 8)) % 255));
}

function* write(sys: Syscalls, path: string, bytes: Uint8Array): Op<void> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644);
  yield* sys.write(fd, bytes);
  yield* sys.close(fd);
}

/** Small files in the tree, larger ones in shared records, one in records of its own. */
async function build(): Promise<{ image: DeviceImage; contents: Contents; places: Places }> {
  const device = new MemoryDevice();
  const contents: Contents = new Map();
  const session = await open(device);
  const { sys } = session;
  for (let dir = 0; dir < 6; dir++) {
    await runAsync(sys.mkdirat(AT_FDCWD, `/d${dir}`, 0o755, 0));
    for (let i = 0; i < 25; i++) {
      const path = `/d${dir}/file-${i}`;
      const bytes = content(dir * 25 + i, i % 5 === 0 ? 9000 : 900);
      await runAsync(write(sys, path, bytes));
      contents.set(path, bytes);
    }
    await runAsync(sys.sync());
  }
  const large = content(9, 80 * BLOCK);
  await runAsync(write(sys, '/large', large));
  contents.set('/large', large);
  const inoOf = async (path: string): Promise<number> =>
    (await runAsync(sys.fstatat(AT_FDCWD, path, 0))).ino;
  const places: Places = new Map();
  for (const path of contents.keys()) {
    const [, dir = '', name] = /^(.*)\/([^/]*)$/.exec(path) ?? [];
    const inDirectory = `/lost+found/#${await inoOf(dir === '' ? '/' : dir)}/${name ?? ''}`;
    places.set(path, [`/lost+found/#${await inoOf(path)}`, inDirectory]);
  }
  await runAsync(closeSession(session));
  return { image: device.image, contents, places };
}

/** 'whole', or how it fails; what is read of it may never be anything else. */
function* stateOf(sys: Syscalls, path: string, wanted: Uint8Array): Op<string> {
  let fd: number | undefined;
  try {
    fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY, 0);
    const bytes = new Uint8Array(wanted.length + 1);
    const count = yield* sys.read(fd, bytes);
    const isSame = count === wanted.length && wanted.every((byte, i) => bytes[i] === byte);
    return isSame ? 'whole' : 'different';
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return error.code;
  } finally {
    if (fd !== undefined) yield* sys.close(fd);
  }
}

async function statesOf(session: Session, contents: Contents): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  for (const [path, bytes] of contents) {
    states.set(path, await runAsync(stateOf(session.sys, path, bytes)));
  }
  return states;
}

function countOf(states: Map<string, string>, state: string): number {
  return [...states.values()].filter((each) => each === state).length;
}

function repair(
  device: MemoryDevice,
  options: { dryRun?: boolean; discardDamaged?: boolean } = {},
): Promise<{ repairs: readonly string[]; problems: readonly string[] }> {
  const { dryRun = false, discardDamaged = false } = options;
  const now = { sec: 1, nsec: 0 };
  return runAsync(repairDevice(device, { checksum, now, dryRun, discardDamaged }));
}

const CHANGES: [string, (place: Uint8Array) => Uint8Array | undefined][] = [
  ['is missing', () => undefined],
  ['has a flipped bit at its head', (place) => flipped(place, 9)],
  ['has a flipped bit in its midst', (place) => flipped(place, place.length >> 1)],
  ['has a flipped bit near its end', (place) => flipped(place, place.length - 2)],
];

function flipped(place: Uint8Array, at: number): Uint8Array {
  return place.with(at, (place[at] ?? 0) ^ 4);
}

/** A device hands out the bytes it has: what is the same is the same. */
function expectSame(image: DeviceImage, wanted: DeviceImage): void {
  expect(image.superblock).toBe(wanted.superblock);
  expect(image.places.size).toBe(wanted.places.size);
  for (const [address, place] of wanted.places) {
    expect(image.places.get(address) === place, `place ${address}`).toBe(true);
  }
}

const built = build();

describe.each(CHANGES)('each place in turn that %s', (_how, change) => {
  test('is EIO for what it has, and named by the check', async () => {
    const { image, contents } = await built;
    let damagedPlaces = 0;
    for (const address of image.places.keys()) {
      const device = new MemoryDevice();
      device.restore(image);
      device.damage(address, change);
      let session: Session<Idbfs>;
      try {
        session = await open(device);
      } catch (error) {
        // The root itself.
        expect(error).toBe(linuxerr.EIO);
        continue;
      }
      const states = await statesOf(session, contents);
      expect(countOf(states, 'whole') + countOf(states, 'EIO')).toBe(contents.size);
      const { problems } = await runAsync(session.filesystem.check());
      // Nothing that was free before is on the device.
      expect(problems).not.toEqual([]);
      damagedPlaces++;
    }
    expect(damagedPlaces).toBeGreaterThan(8);
  });

  test('is repaired: what is whole stays or is in lost+found, and nothing is made up', async () => {
    const { image, contents, places } = await built;
    for (const address of image.places.keys()) {
      const device = new MemoryDevice();
      device.restore(image);
      device.damage(address, change);
      const damaged = device.image;
      const planned = await repair(device, { dryRun: true });
      expectSame(device.image, damaged);
      const { repairs, problems } = await repair(device);
      expect(repairs).toEqual(planned.repairs);
      expect(problems).toEqual(planned.problems);
      for (const problem of problems) expect(problem).toMatch(/are damaged$/);
      device.restore(device.image);
      const session = await open(device);
      const states = await statesOf(session, contents);
      let saved = 0;
      for (const [path, bytes] of contents) {
        const others = places.get(path) ?? [];
        for (const place of [path, ...others]) {
          if ((await runAsync(stateOf(session.sys, place, bytes))) !== 'whole') continue;
          saved++;
          break;
        }
      }
      // A leaf has about thirty inodes, with what is in them.
      expect(saved).toBeGreaterThan(contents.size * 0.7);
      const told = repairs.join('\n');
      for (const [path, state] of states) {
        if (state === 'different') expect(told).toContain(`${path}:`);
        // What leads to it may be gone as well.
        const dir = path.slice(0, 3);
        const isTold = [`${path}:`, `${dir}/`, `${dir}:`].some((text) => told.includes(text));
        if (state === 'ENOENT') expect(isTold || told.includes('lost+found')).toBe(true);
      }
      await runAsync(write(session.sys, '/after', content(1, 5000)));
      expect((await runAsync(session.filesystem.check())).problems).toEqual(problems);
      await runAsync(closeSession(session));
    }
  });
});

test('nothing is done to what is whole', async () => {
  const { image } = await built;
  const device = new MemoryDevice();
  device.restore(image);
  expect(await repair(device)).toEqual({ repairs: [], problems: [] });
  expectSame(device.image, image);
  expect(await repair(new MemoryDevice())).toEqual({ repairs: [], problems: [] });
});

test('a superblock that is damaged costs no file', async () => {
  const { image, contents } = await built;
  const device = new MemoryDevice();
  device.restore(image);
  device.damageSuperblock((bytes) => flipped(bytes, 100));
  await expect(open(device)).rejects.toBe(linuxerr.EIO);
  const { repairs, problems } = await repair(device);
  expect(repairs[0]).toContain('the superblock is damaged; all nodes were looked for');
  expect(problems).toEqual([]);
  device.restore(device.image);
  const session = await open(device);
  expect(countOf(await statesOf(session, contents), 'whole')).toBe(contents.size);
  await runAsync(closeSession(session));
});

test('damaged data is given up if that is asked for, and reads as zeros then', async () => {
  const { image } = await built;
  const device = new MemoryDevice();
  device.restore(image);
  const large = [...image.places].find(([, place]) => place.length === 80 * BLOCK);
  device.damage(large?.[0] ?? 0, (place) => flipped(place, 3 * BLOCK));
  const { repairs, problems } = await repair(device, { discardDamaged: true });
  expect(repairs).toEqual([
    expect.stringMatching(/^inode \d+: 4096 bytes from 12288 on are damaged; they read as zeros$/),
  ]);
  expect(problems).toEqual([]);
  device.restore(device.image);
  const { sys } = await open(device);
  const fd = await runAsync(sys.openat(AT_FDCWD, '/large', O_RDONLY, 0));
  const bytes = new Uint8Array(80 * BLOCK);
  await runAsync(sys.read(fd, bytes));
  expect(bytes).toEqual(content(9, 80 * BLOCK).fill(0, 3 * BLOCK, 4 * BLOCK));
});

test('what is read ahead and damaged does not spoil what is asked for', async () => {
  const { image } = await built;
  const device = new MemoryDevice();
  device.restore(image);
  const large = [...image.places].find(([, place]) => place.length === 80 * BLOCK);
  device.damage(large?.[0] ?? 0, (place) => flipped(place, 50 * BLOCK));
  const { sys } = await open(device);
  const fd = await runAsync(sys.openat(AT_FDCWD, '/large', O_RDONLY, 0));
  const piece = new Uint8Array(8 * BLOCK);
  const results: string[] = [];
  for (let chunk = 0; chunk < 10; chunk++) {
    const read = runAsync(sys.pread(fd, piece, chunk * piece.length));
    results.push(await read.then(String, codeOf));
  }
  const whole = String(piece.length);
  expect(results).toEqual(results.map((_, chunk) => (chunk === 6 ? 'EIO' : whole)));
});

test('what a damaged leaf had of a file is EIO after the repair, and not zeros', async () => {
  const BLOCKS = 120;
  const device = new MemoryDevice();
  const session = await open(device);
  // Blocks that stand alone, with little in them, lie in the tree, and so fill several leaves.
  const bytes = new Uint8Array(2 * BLOCKS * BLOCK);
  const out = await runAsync(session.sys.openat(AT_FDCWD, '/file', O_RDWR | O_CREAT, 0o644));
  for (let n = 0; n < BLOCKS; n++) {
    const at = 2 * n * BLOCK;
    bytes.fill(1 + n, at, at + 2000);
    await runAsync(session.sys.pwrite(out, bytes.subarray(at, at + 2000), at));
  }
  await runAsync(session.sys.ftruncate(out, bytes.length));
  await runAsync(session.sys.close(out));
  await runAsync(closeSession(session));
  const { image } = device;
  const leaves = [...image.places].filter(([, place]) => place[0] === 0x42 && place[1] === 0);
  expect(leaves.length).toBeGreaterThan(6);
  let lost = 0;
  for (const [address] of leaves) {
    device.restore(image);
    device.damage(address, (place) => flipped(place, 1000));
    const { repairs } = await repair(device);
    device.restore(device.image);
    const { sys } = await open(device);
    // The first leaf has the root, and the last one the file's inode.
    const isUnnamed = repairs.some((text) => text.includes('lost+found'));
    const isLost = repairs.some((text) => text.includes('/file: its inode is missing'));
    if (isUnnamed || isLost) continue;
    const fd = await runAsync(sys.openat(AT_FDCWD, '/file', O_RDONLY, 0));
    for (let at = 0; at < bytes.length; at += 8 * BLOCK) {
      const piece = new Uint8Array(8 * BLOCK);
      const code = await runAsync(sys.pread(fd, piece, at)).then(String, codeOf);
      if (code === 'EIO') lost++;
      else expect(piece).toEqual(bytes.slice(at, at + piece.length));
    }
    expect(repairs.join('\n')).toMatch(/inode 2: \d+ bytes from \d+ on are lost, or were a hole/);
  }
  expect(lost).toBeGreaterThan(5);
});

function codeOf(error: unknown): string {
  return (error as LinuxError).code;
}

describe('an inner node', () => {
  const NAMES = 6000;
  const nameOf = (n: number): string => `${n}-${'long'.repeat(55)}`;

  const buildLong = async (): Promise<DeviceImage> => {
    const device = new MemoryDevice();
    const session = await open(device);
    for (let n = 0; n < NAMES; n++) {
      await runAsync(write(session.sys, `/${nameOf(n)}`, content(n, 10)));
    }
    await runAsync(closeSession(session));
    return device.image;
  };
  const long = buildLong();

  test.each(CHANGES)('that %s: all that lies below it is found again', async (_how, change) => {
    const image = await long;
    const inner = [...image.places].filter(([, place]) => place[0] === 0x42 && place[1] === 1);
    expect(inner).toHaveLength(1);
    const device = new MemoryDevice();
    device.restore(image);
    device.damage(inner[0]?.[0] ?? 0, change);
    const store = await runAsync(Engine.open({ device, checksum, cacheBytes: 1 << 20 }));
    expect((await runAsync(checkStore(store, {}))).problems).toContain(
      `node ${inner[0]?.[0] ?? 0} of the items is damaged`.replace(
        'damaged',
        device.image.places.has(inner[0]?.[0] ?? 0) ? 'damaged' : 'missing',
      ),
    );
    const { problems } = await repair(device);
    expect(problems).toEqual([]);
    device.restore(device.image);
    const session = await open(device);
    for (let n = 0; n < NAMES; n += 7) {
      const state = await runAsync(stateOf(session.sys, `/${nameOf(n)}`, content(n, 10)));
      expect(state).toBe('whole');
    }
  });
});
