// The engine on a file that crashes: whatever of the unflushed writes is there afterwards, and
// wherever the crash or a failure came, the store is that of the last commit, of the one under way
// or of one that failed since, whole.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { runAsync } from '../../src/lib/op.ts';
import { checkDevice } from '../../src/store/engine/check.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { OpfsDevice } from '../../src/store/engine/opfs-device.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyBatch, contentOf, randomOf, type State, stateOf, toBatch } from './any-batch.ts';
import { CrashFile } from './crash-file.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const checksum = await loadChecksum();

function open(handle: CrashFile): { device: OpfsDevice; engine: Promise<Engine> } {
  const device = new OpfsDevice({ handle, checksum, name: 'test' });
  return { device, engine: runAsync(Engine.open({ device, checksum, cacheBytes: 20_000 })) };
}

const step = fc.record({
  batch: anyBatch,
  /** Operations of the file that succeed, and what comes then. */
  end: fc.option(fc.record({ after: fc.nat(12), how: fc.constantFrom('crash', 'fail', 'full') }), {
    nil: undefined,
    freq: 2,
  }),
  seed: fc.nat(),
});

test('shows the last commit, or one that failed or was under way since, whole', async () => {
  let crashes = 0;
  let keptAfterCrash = 0;
  let failures = 0;
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 40, size: 'max' }),
    async (steps) => {
      const model = new MemoryStore();
      let file = new CrashFile();
      let { engine } = open(file);
      let state = await stateOf(model);
      // Since the last commit that succeeded.
      let failed: State[] = [];
      for (const { batch: values, end, seed } of steps) {
        file.operationsLeft = end?.after ?? Infinity;
        const isFull = end?.how === 'full';
        file.failure = new DOMException('failed', isFull ? 'QuotaExceededError' : 'UnknownError');
        const changes = toBatch(values);
        const options = { durability: 'strict' } as const;
        await runAsync(model.commit(changes, options));
        const after = await stateOf(model);
        const isDone = await runAsync((await engine).commit(changes, options)).then(
          () => true,
          (error: unknown) => {
            expect(error).toBe(isFull ? linuxerr.ENOSPC : linuxerr.EIO);
            return false;
          },
        );
        if (isDone) state = after;
        else failures++;
        failed = isDone ? [] : [...failed, after];
        let allowed = [state];
        if (end?.how === 'crash') {
          crashes++;
          file = file.crash(randomOf(seed));
          const again = open(file);
          engine = again.engine;
          expect((await runAsync(checkDevice(again.device, checksum))).problems).toEqual([]);
          // Of what failed nobody knows how much the medium has.
          allowed = [state, ...failed];
          failed = [];
        }
        const content = await contentOf(await engine);
        expect(allowed.map((each) => each.content)).toContain(content);
        const found = allowed.find((each) => each.content === content) ?? state;
        if (found !== state) keptAfterCrash++;
        state = found;
        model.restore(state.snapshot);
      }
    },
  );
  await fc.assert(property, { ...fuzz(100), endOnFailure: true });
  expect(crashes).toBeGreaterThan(100);
  expect(failures).toBeGreaterThan(200);
  expect(keptAfterCrash).toBeGreaterThan(3);
});
