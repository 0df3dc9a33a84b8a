// The engine on a mirror: whatever happens to one of the two media, nothing that was committed is
// missing, both are whole in the end and hold the same, and nothing else.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { runAsync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyBatch, contentOf, randomOf, toBatch } from './any-batch.ts';
import { LOSSES, memoryWith, World } from './mirror-world.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('nothing' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('reopen' as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('crash' as const), ticks: fc.nat(12) }) },
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

/** Makes one commit, and what happens then. Returns what the store may hold. */
async function run(
  world: World,
  model: MemoryStore,
  { batch, isStrict, event, seed }: Step,
): Promise<string[]> {
  const before = await contentOf(model);
  const changes = toBatch(batch);
  const durability = isStrict ? 'strict' : 'relaxed';
  const options = { durability } as const;
  await runAsync(model.commit(changes, options));
  const after = await contentOf(model);
  const random = randomOf(seed);
  switch (event.what) {
    case 'crash': {
      counts.crashes++;
      // The commit may be under way.
      let isDone = false;
      const commit = runAsync(world.engine.commit(changes, options)).then(() => (isDone = true));
      for (let i = 0; i < event.ticks; i++) await Promise.resolve();
      const wasDone = isDone;
      const image = world.memory.image;
      const file = world.file.crash(random);
      await commit;
      await world.close();
      world.file = file;
      world.memory = memoryWith(image);
      await world.open();
      return wasDone ? [after] : [before, after];
    }
    case 'failure': {
      counts.failures++;
      if (event.isFile) world.file.operationsLeft = event.after;
      else world.memory.failNextCommit(event.after < 3 ? linuxerr.EIO : linuxerr.ENOSPC);
      let isDone = true;
      await runAsync(world.engine.commit(changes, options)).catch((error: unknown) => {
        // While a side is made anew, there is no other.
        expect([linuxerr.EIO, linuxerr.ENOSPC]).toContain(error);
        isDone = false;
      });
      world.file.operationsLeft = Infinity;
      if (world.device.mirrorStatus.state === 'degraded') counts.degraded++;
      if (isDone) return [after];
      // A file whose superblock may or may not be there has been given up.
      if (world.device.isOpen) return [before];
      await world.close();
      await world.open();
      return [before, after];
    }
    default:
      await runAsync(world.engine.commit(changes, options));
  }
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
      const model = new MemoryStore();
      const world = new World();
      world.keepCopies();
      await world.open();
      for (const each of steps) {
        const before = model.snapshot();
        const wanted = await run(world, model, each);
        const content = await contentOf(world.engine);
        expect(wanted).toContain(content);
        if (content !== (await contentOf(model))) model.restore(before);
        if (each.seed % 4 === 0) world.keepCopies();
      }
      await world.becomeWhole();
      expect(world.device.mirrorStatus).toMatchObject({
        state: 'whole',
        leader: 'file',
        behindBytes: 0,
      });
      expect(await contentOf(world.engine)).toBe(await contentOf(model));
      expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
      await world.close();
      await world.check();
    },
  );
  await fc.assert(property, { ...fuzz(60), endOnFailure: true });
  console.log(counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
