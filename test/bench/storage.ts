// Large files and single writes, persistently, in rounds: every subject once a round, in a fresh
// worker.
//
// "raw indexeddb" and "raw opfs" are the floor: what the browser takes for the same bytes, where
// nothing has a name, a size or a checksum, and nothing is kept whole when the browser is killed.

import { wrap } from 'comlink';
import type { StorageService, StorageSizes, WorkTimes } from './storage.bench.ts';

export interface StorageOptions {
  readonly subjects: readonly string[];
  readonly sizes: StorageSizes;
  readonly rounds: number;
}

export async function measureStorage(
  { subjects, sizes, rounds }: StorageOptions,
  report: (line: string) => void,
): Promise<Record<string, WorkTimes[]>> {
  const result: Record<string, WorkTimes[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      const worker = startWorker();
      const times = await wrap<StorageService>(worker).run(subject, sizes, round);
      worker.terminate();
      (result[subject] ??= []).push(times);
      const found = Object.entries(times).map(([work, ms]) => `${work} ${Math.round(ms)} ms`);
      report(`storage, round ${round + 1}, ${subject}: ${found.join(', ')}`);
    }
  }
  return result;
}

function startWorker(): Worker {
  return new Worker(new URL('./storage.bench.ts', import.meta.url), { type: 'module' });
}
