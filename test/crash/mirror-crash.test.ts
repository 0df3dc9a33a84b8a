// The engine on a mirror: whatever happens to one of the two media, nothing that was committed is
// missing, both are whole in the end and hold the same, and nothing else.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { assertDefined } from '../../src/lib/assert.ts';
import { nextMacrotask } from '../../src/lib/macrotask.ts';
import { runAsync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyBatch, contentOf, randomOf, type State, stateOf, toBatch } from './any-batch.ts';
import { LOSSES, memoryWith, World } from './mirror-world.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('nothing' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('reopen' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('crash' as const),
      ticks: fc.nat(12),
      turns: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('loss' as const),
      loss: fc.constantFrom(...LOSSES),
      isFile: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('failure' as const),
      isFile: fc.boolean(),
      after: fc.nat(6),
    }),
  },
);

const step = fc.record({ batch: anyBatch, isStrict: fc.boolean(), event, seed: fc.nat() });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const counts = { crashes: 0, losses: 0, failures: 0, resilvered: 0, degraded: 0 };

interface Model {
  readonly store: MemoryStore;
  /** States of commits that failed since the last one that succeeded: a crash may bring them. */
  failed: State[];
}

/**
 * A crash so long after a commit began: turns of the event loop, and ticks of its microtasks. Has
 * it succeeded by then?
 */
async function crashIn(
  world: World,
  commit: () => Promise<void>,
  how: { readonly ticks: number; readonly turns: number; readonly random: () => number },
): Promise<boolean> {
  counts.crashes++;
  let isDone = false;
  const underWay = commit().then(() => (isDone = true));
  for (let i = 0; i < how.turns; i++) await nextMacrotask();
  for (let i = 0; i < how.ticks; i++) await Promise.resolve();
  const wasDone = isDone;
  const image = world.memory.image;
  const file = world.file.crash(how.random);
  await underWay;
  await world.close();
  world.file = file;
  world.memory = memoryWith(image);
  await world.open();
  return wasDone;
}

/** A medium fails in a commit. Does that succeed? */
async function failIn(
  world: World,
  commit: () => Promise<void>,
  { isFile, after }: { readonly isFile: boolean; readonly after: number },
): Promise<boolean> {
  counts.failures++;
  if (isFile) world.file.operationsLeft = after;
  else world.memory.failNextCommit(after < 3 ? linuxerr.EIO : linuxerr.ENOSPC);
  let isDone = true;
  await commit().catch((error: unknown) => {
    // While a side is made anew, there is no other.
    expect([linuxerr.EIO, linuxerr.ENOSPC]).toContain(error);
    isDone = false;
  });
  if (await becomesDegraded(world)) counts.degraded++;
  world.file.operationsLeft = Infinity;
  return isDone;
}

/** Also if it is mended at once: the side that follows gets its turn later. */
async function becomesDegraded(world: World): Promise<boolean> {
  for (let turn = 0; turn < 2; turn++) {
    for (let tick = 0; tick < 20; tick++) {
      if (world.device.mirrorStatus.state === 'degraded') return true;
      await Promise.resolve();
    }
    await nextMacrotask();
  }
  return false;
}

/** Makes one commit, and what happens then. Returns what the store may hold. */
async function run(
  world: World,
  model: Model,
  { batch, isStrict, event, seed }: Step,
): Promise<State[]> {
  const before = await stateOf(model.store);
  const changes = toBatch(batch);
  const options = { durability: isStrict ? 'strict' : 'relaxed' } as const;
  await runAsync(model.store.commit(changes, options));
  const after = await stateOf(model.store);
  const { failed } = model;
  model.failed = [];
  const random = randomOf(seed);
  const commit = (): Promise<void> => runAsync(world.engine.commit(changes, options));
  if (event.what === 'crash') {
    const wasDone = await crashIn(world, commit, { ...event, random });
    return wasDone ? [after] : [before, after, ...failed];
  }
  if (event.what === 'failure') {
    if (await failIn(world, commit, event)) return [after];
    if (world.device.isOpen) {
      model.failed = [...failed, after];
      return [before];
    }
    await world.close();
    await world.open();
    return [before, after, ...failed];
  }
  await commit();
  if (event.what === 'nothing') return [after];
  if (event.what === 'loss') {
    // The other side has to be whole by then.
    await world.becomeWhole();
    expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
  }
  await world.close();
  if (event.what === 'loss') {
    counts.losses++;
    if (event.isFile) world.loseFile(event.loss, random);
    else world.loseMemory(event.loss, random);
  }
  await world.open();
  if (world.device.mirrorStatus.state === 'resilvering') counts.resilvered++;
  return [after];
}

test('nothing that was committed is lost with either side', async () => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 30, size: 'max' }),
    async (steps) => {
      const model: Model = { store: new MemoryStore(), failed: [] };
      const world = new World();
      world.keepCopies();
      await world.open();
      for (const each of steps) {
        const wanted = await run(world, model, each);
        const content = await contentOf(world.engine);
        expect(wanted.map((state) => state.content)).toContain(content);
        const found = wanted.find((state) => state.content === content);
        model.store.restore(assertDefined(found).snapshot);
        if (each.seed % 4 === 0) world.keepCopies();
      }
      await world.becomeWhole();
      expect(world.device.mirrorStatus).toMatchObject({
        state: 'whole',
        leader: 'file',
        behindBytes: 0,
      });
      expect(await contentOf(world.engine)).toBe(await contentOf(model.store));
      expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
      await world.close();
      await world.check();
    },
  );
  await fc.assert(property, { ...fuzz(60), endOnFailure: true });
  console.log(counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
