// Snapshots and clones on a mirror: a medium that is lost, damaged or set back gets all trees from
// the other one, also while they are snapshotted, deleted and rolled back.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { runAsync } from '../../src/lib/op.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyStep, History } from '../unit/store/engine/history.ts';
import { randomOf } from './any-batch.ts';
import { LOSSES, World } from './mirror-world.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT * 2 });

const loss = fc.record({ kind: fc.constantFrom(...LOSSES), isFile: fc.boolean() });
const turn = fc.record({
  steps: fc.array(anyStep, { minLength: 1, maxLength: 8, size: 'max' }),
  loss,
  keepsCopies: fc.boolean(),
  seed: fc.nat(),
});

test('no tree is lost with either side', async () => {
  const counts = { losses: 0, resilvered: 0, named: 0 };
  const property = fc.asyncProperty(
    fc.array(turn, { minLength: 2, maxLength: 8, size: 'max' }),
    async (turns) => {
      const world = new World();
      world.keepCopies();
      await world.open();
      const history = new History(world.engine);
      for (const { steps, loss, keepsCopies, seed } of turns) {
        for (const step of steps) {
          // What was lost before is made anew meanwhile.
          if (step.kind !== 'reopen' && step.kind !== 'fail') await history.do(step);
        }
        await world.becomeWhole();
        expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
        if (keepsCopies) world.keepCopies();
        await history.close();
        await world.close();
        await world.check();
        if (loss.isFile) world.loseFile(loss.kind, randomOf(seed));
        else world.loseMemory(loss.kind, randomOf(seed));
        await world.open();
        history.reopened(world.engine);
        counts.losses++;
        if (world.device.mirrorStatus.state === 'resilvering') counts.resilvered++;
        counts.named += history.forest.named.size;
      }
      await history.check();
      await world.becomeWhole();
      await history.check();
      expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
      await history.close();
      await world.close();
      await world.check();
    },
  );
  await fc.assert(property, { ...fuzz(25), endOnFailure: true });
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
