// A tree of many files, listed with nothing in memory, in rounds: each medium once a round, in a
// fresh worker.

import { wrap } from 'comlink';
import type { Media } from '../../src/store/media.ts';
import type { TreeService, TreeTimes } from './tree.bench.ts';

export interface TreeOptions {
  readonly files: number;
  readonly rounds: number;
}

export async function measureTree(
  { files, rounds }: TreeOptions,
  report: (line: string) => void,
): Promise<Record<Media, TreeTimes[]>> {
  const result: Record<Media, TreeTimes[]> = { mirrored: [], indexeddb: [] };
  for (let round = 0; round < rounds; round++) {
    for (const media of ['mirrored', 'indexeddb'] as const) {
      const worker = new Worker(new URL('./tree.bench.ts', import.meta.url), { type: 'module' });
      const times = await wrap<TreeService>(worker).run(media, files, round);
      worker.terminate();
      result[media].push(times);
      const found = Object.entries({ ...times }).map(
        ([work, ms]) => `${work} ${Math.round(ms)} ms`,
      );
      report(`tree, round ${round + 1}, ${media}: ${found.join(', ')}`);
    }
  }
  return result;
}
