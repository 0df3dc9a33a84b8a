// Checks and repairs of a filesystem that has snapshots: none of them is lost by a repair.

import { describe, expect, test, vi } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { checkStore } from '../../../src/fs/idbfs/check.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { inodeKey } from '../../../src/fs/idbfs/items.ts';
import { repairDevice } from '../../../src/fs/idbfs/repair.ts';
import { FakeClock, RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { checkDevice } from '../../../src/store/engine/check.ts';
import { loadChecksum } from '../../../src/store/engine/checksum.ts';
import { Engine } from '../../../src/store/engine/engine.ts';
import { type DeviceImage, MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MirroredDevice } from '../../../src/store/engine/mirrored-device.ts';
import type { PageDevice } from '../../../src/store/engine/page-device.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { checkImage, openEngine } from '../store/engine/support.ts';

vi.setConfig({ testTimeout: 60_000 });

const checksum = await loadChecksum();
const FILES = 60;

const mount = (store: Store): Promise<Session<Idbfs>> =>
  runAsync(openIdbfs({ store, clock: new FakeClock() }));

function content(file: number, version: number): Uint8Array {
  const size = file % 4 === 0 ? 20_000 : 700;
  return Uint8Array.from({ length: size }, (_, at) => 1 + ((file * 7 + version * 3 + at) % 250));
}

async function write(session: Session<Idbfs>, file: number, version: number): Promise<void> {
  const { sys } = session;
  const fd = await runAsync(sys.openat(AT_FDCWD, `/f${file}`, O_RDWR | O_CREAT, 0o644));
  await runAsync(sys.write(fd, content(file, version)));
  await runAsync(sys.close(fd));
}

/** Files whose content is that version. */
async function wholeFiles(store: Store, version: (file: number) => number): Promise<number> {
  const session = await mount(store);
  let count = 0;
  for (let file = 0; file < FILES; file++) {
    const wanted = content(file, version(file));
    const found = new Uint8Array(wanted.length + 1);
    try {
      const fd = await runAsync(session.sys.openat(AT_FDCWD, `/f${file}`, O_RDONLY, 0));
      const size = await runAsync(session.sys.read(fd, found));
      if (size === wanted.length && wanted.every((byte, i) => byte === found[i])) count++;
      await runAsync(session.sys.close(fd));
    } catch {
      // It is not whole.
    }
  }
  return count;
}

const before = (): number => 1;
/** Of the main tree, in which some files were written again. */
const now = (file: number): number => (file < FILES / 2 ? 2 : 1);

/** A filesystem with a snapshot. */
async function build(): Promise<{ image: DeviceImage; ino: number }> {
  const device = new MemoryDevice();
  const engine = await openEngine(device);
  const session = await mount(engine);
  for (let file = 0; file < FILES; file++) await write(session, file, 1);
  await runAsync(session.sys.sync());
  const info = { createdAt: 0, isReadOnly: true };
  await runAsync(engine.subvolumes.snapshot({ name: 's', ...info }));
  for (let file = 0; file < FILES / 2; file++) await write(session, file, 2);
  const { ino } = await runAsync(session.sys.fstatat(AT_FDCWD, '/f3', 0));
  await runAsync(closeSession(session));
  return { image: device.image, ino };
}

const built = build();

async function deviceWith(image: DeviceImage): Promise<MemoryDevice> {
  const device = new MemoryDevice();
  device.restore(image);
  return Promise.resolve(device);
}

function repair(
  device: PageDevice,
  discardDamaged = false,
): Promise<{ repairs: readonly string[]; problems: readonly string[] }> {
  const clock = { sec: 1, nsec: 0 };
  return runAsync(repairDevice(device, { checksum, now: clock, dryRun: false, discardDamaged }));
}

function isSame(a: DeviceImage, b: DeviceImage, address: number): boolean {
  const [one, other] = [a.places.get(address), b.places.get(address)];
  return one?.length === other?.length && one?.every((byte, i) => byte === other?.[i]) === true;
}

function expectSame(image: DeviceImage, wanted: DeviceImage): void {
  expect(image.superblock).toEqual(wanted.superblock);
  expect([...image.places.keys()]).toEqual([...wanted.places.keys()]);
  const different = [...image.places.keys()].filter((at) => !isSame(image, wanted, at));
  expect(different).toEqual([]);
}

async function expectTrees(device: MemoryDevice, inMain: number): Promise<void> {
  device.restore(device.image);
  const engine = await openEngine(device);
  expect(await wholeFiles(engine, now)).toBe(inMain);
  const snapshot = await runAsync(engine.subvolumes.open('s'));
  expect(await wholeFiles(snapshot, before)).toBe(FILES);
}

test('all is well with what is whole, in every tree', async () => {
  const device = await deviceWith((await built).image);
  await expectTrees(device, FILES);
  const engine = await openEngine(await deviceWith((await built).image));
  expect((await runAsync(checkStore(engine, {}))).problems).toEqual([]);
  const snapshot = await runAsync(engine.subvolumes.open('s'));
  const { problems, files } = await runAsync(checkStore(snapshot, {}));
  expect({ problems, files }).toEqual({ problems: [], files: FILES });
});

test('a repair of the files keeps the snapshots', async () => {
  const { image, ino } = await built;
  const device = await deviceWith(image);
  const engine = await openEngine(device);
  const items = new Map([[inodeKey(ino), undefined]]);
  await runAsync(engine.commit({ items, discards: [], writes: [] }, { durability: 'strict' }));
  await runAsync(engine.close());
  device.restore(device.image);
  const { repairs, problems } = await repair(device);
  expect(repairs.join('\n')).toContain('/f3');
  expect(problems).toEqual([]);
  await checkImage(device);
  await expectTrees(device, FILES - 1);
});

describe('each place in turn that is damaged', () => {
  test('is repaired with all trees left, or nothing is changed and the error says so', async () => {
    const { image } = await built;
    const counts = { refused: 0, left: 0 };
    for (const address of image.places.keys()) {
      const device = await deviceWith(image);
      device.damage(address, (place) => place.with(5, (place[5] ?? 0) ^ 1));
      const damaged = device.image;
      try {
        await repair(device);
        counts.left++;
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
        expect((error as StoreError).message).toContain('delete all snapshots');
        counts.refused++;
      }
      // Only data can be damaged and left.
      expectSame(device.image, damaged);
      device.restore(device.image);
      const report = await runAsync(checkDevice(device, checksum));
      expect(report.problems).not.toEqual([]);
    }
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(1);
  });

  test('of a file’s data is given up in the main tree alone, if it is to be', async () => {
    const { image } = await built;
    let given = 0;
    for (const address of image.places.keys()) {
      const device = await deviceWith(image);
      device.damage(address, (place) => place.with(5, (place[5] ?? 0) ^ 1));
      const report = await runAsync(checkDevice(device, checksum));
      const data = report.damaged.length + report.damagedElsewhere.length;
      if (data === 0 || report.problems.length > data) continue;
      const { repairs, problems } = await repair(device, true);
      expect(repairs).toHaveLength(report.damaged.length);
      given += repairs.length;
      device.restore(device.image);
      const engine = await openEngine(device);
      expect((await runAsync(engine.subvolumes.list())).map(({ name }) => name)).toEqual(['s']);
      for (const problem of problems) expect(problem).toContain('of the tree "s" is damaged');
    }
    expect(given).toBeGreaterThan(0);
  });
});

test('a check puts one of two copies right from the other, and tells of it', async () => {
  const { image } = await built;
  const [leader, other] = [await deviceWith(image), await deviceWith(image)];
  const addresses = [...image.places.keys()];
  for (const [i, address] of addresses.entries()) {
    const side = i % 2 === 0 ? leader : other;
    side.damage(address, (place) => place.with(0, 1));
  }
  const preferred = { name: 'leader', device: leader };
  const mirror = new MirroredDevice({
    preferred,
    other: { name: 'other', device: other },
    leader: preferred,
    follower: 'whole',
    superblock: image.superblock,
    checksum,
    clock: new RealClock(),
  });
  const parts = { device: mirror, checksum, cacheBytes: 1 << 20 };
  const engine = await runAsync(Engine.open(parts));
  const { problems } = await runAsync(checkStore(engine, {}));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^\d+ places were damaged in one of the two copies/);
  expect((await runAsync(checkStore(engine, {}))).problems).toEqual([]);
  for (const side of [leader, other]) {
    const different = addresses.filter((address) => !isSame(side.image, image, address));
    expect(different).toEqual([]);
  }
  expect(await repair(mirror)).toEqual({ repairs: [], problems: [] });
});
