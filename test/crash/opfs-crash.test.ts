// The engine on a file that crashes: whatever of the unflushed writes is there afterwards, and
// wherever the crash or a failure came, the store is that of the last commit or of the one under way,
// whole.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { runAsync } from '../../src/lib/op.ts';
import { checkDevice } from '../../src/store/engine/check.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { OpfsDevice } from '../../src/store/engine/opfs-device.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { BLOCK_SIZE, type Batch, type Store } from '../../src/store/store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { CrashFile } from './crash-file.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const checksum = await loadChecksum();
const OBJECT = 7;
const BLOCKS = 30;

function open(handle: CrashFile): { device: OpfsDevice; engine: Promise<Engine> } {
  const device = new OpfsDevice({ handle, checksum });
  return { device, engine: runAsync(Engine.open({ device, checksum, cacheBytes: 20_000 })) };
}

/** Everything that a store holds, as text. */
async function contentOf(store: Store): Promise<string> {
  const items = await runAsync(store.scan({ from: '', to: '\uffff', limit: Infinity }));
  const runs = await runAsync(store.read(OBJECT, 0, BLOCKS * BLOCK_SIZE));
  const blocks = new Map<number, number>();
  for (const { offset, bytes } of runs) {
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
      blocks.set((offset + at) / BLOCK_SIZE, bytes[at] ?? 0);
    }
  }
  const sorted = [...blocks].sort(([a], [b]) => a - b);
  return JSON.stringify([items.map(({ key, value }) => [key, value.length, value[0]]), sorted]);
}

const item = fc.tuple(fc.nat(200), fc.option(fc.integer({ min: 1, max: 250 }), { nil: undefined }));
const write = fc.record({ block: fc.nat(BLOCKS - 1), count: fc.integer({ min: 1, max: 8 }) });
const batch = fc.record({ items: fc.array(item, { maxLength: 60 }), write, seed: fc.nat(254) });

interface BatchValues {
  readonly items: readonly (readonly [number, number | undefined])[];
  readonly write: { readonly block: number; readonly count: number };
  readonly seed: number;
}

function toBatch({ items, write: { block, count }, seed }: BatchValues): Batch {
  const size = Math.min(count, BLOCKS - block) * BLOCK_SIZE;
  const bytes = new Uint8Array(size).fill(seed + 1);
  return {
    items: new Map(
      items.map(([number, length]) => [
        `key ${String(number)}`,
        length === undefined ? undefined : new Uint8Array(length * 8).fill(seed),
      ]),
    ),
    discards: [],
    writes: [{ object: OBJECT, run: { offset: block * BLOCK_SIZE, bytes } }],
  };
}

const step = fc.record({
  batch,
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

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
