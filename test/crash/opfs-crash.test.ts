// The engine on a file that crashes: whatever of the unflushed writes is there afterwards, and
// wherever the crash or a failure came, the store is that of the last commit or of the one under
// way, whole.

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
import { anyBatch, contentOf, randomOf, toBatch } from './any-batch.ts';
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

test('shows the last commit or the one under way, whole', async () => {
  let crashes = 0;
  let keptAfterCrash = 0;
  let failures = 0;
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 40, size: 'max' }),
    async (steps) => {
      const model = new MemoryStore();
      let file = new CrashFile();
      let { device, engine } = open(file);
      for (const { batch: values, end, seed } of steps) {
        file.operationsLeft = end?.after ?? Infinity;
        const isFull = end?.how === 'full';
        file.failure = new DOMException('failed', isFull ? 'QuotaExceededError' : 'UnknownError');
        const changes = toBatch(values);
        const options = { durability: 'strict' } as const;
        const before = { snapshot: model.snapshot(), content: await contentOf(model) };
        await runAsync(model.commit(changes, options));
        const after = await contentOf(model);
        const isDone = await runAsync((await engine).commit(changes, options)).then(
          () => true,
          (error: unknown) => {
            expect(error).toBe(isFull ? linuxerr.ENOSPC : linuxerr.EIO);
            return false;
          },
        );
        if (!isDone) failures++;
        const wanted = isDone ? [after] : [before.content];
        if (end?.how === 'crash' || !device.isOpen) {
          crashes++;
          file = file.crash(randomOf(seed));
          ({ device, engine } = open(file));
          expect((await runAsync(checkDevice(device, checksum))).problems).toEqual([]);
          if (!isDone) wanted.push(after);
        }
        const content = await contentOf(await engine);
        expect(wanted).toContain(content);
        if (content === after) keptAfterCrash += Number(!isDone);
        else model.restore(before.snapshot);
      }
    },
  );
  await fc.assert(property, { ...fuzz(100), endOnFailure: true });
  expect(crashes).toBeGreaterThan(100);
  expect(failures).toBeGreaterThan(200);
  expect(keptAfterCrash).toBeGreaterThan(3);
});
