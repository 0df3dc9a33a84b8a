// A tree of many files, listed with nothing in memory, in rounds: each medium once a round, in a
// fresh worker.

import { wrap } from 'comlink';
import type { TreeService, TreeTimes, TreeWork } from './tree.bench.ts';

export interface TreeOptions {
  readonly works: readonly TreeWork[];
  readonly rounds: number;
}

export async function measureTree(
  { works, rounds }: TreeOptions,
  report: (line: string) => void,
): Promise<Record<string, TreeTimes[]>> {
  const result: Record<string, TreeTimes[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const work of works) {
      const worker = new Worker(new URL('./tree.bench.ts', import.meta.url), { type: 'module' });
      const times = await wrap<TreeService>(worker).run(work, round);
      worker.terminate();
      (result[work.media] ??= []).push(times);
      const found = Object.entries({ ...times }).map(
        ([what, ms]) => `${what} ${Math.round(ms)} ms`,
      );
      report(`tree, round ${round + 1}, ${work.media}: ${found.join(', ')}`);
    }
  }
  return result;
}
