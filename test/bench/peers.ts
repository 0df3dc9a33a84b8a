// What others' filesystems take for a large file and a tree, in rounds: every subject once a round,
// in a fresh worker.

import { wrap } from 'comlink';
import type { PeerSizes, PeersService, PeerTimes } from './peers.bench.ts';

export interface PeersOptions {
  readonly subjects: readonly string[];
  readonly sizes: PeerSizes;
  readonly rounds: number;
}

export async function measurePeers(
  { subjects, sizes, rounds }: PeersOptions,
  report: (line: string) => void,
): Promise<Record<string, PeerTimes[]>> {
  const result: Record<string, PeerTimes[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      const worker = new Worker(new URL('./peers.bench.ts', import.meta.url), { type: 'module' });
      const times = await wrap<PeersService>(worker).run(subject, sizes, round);
      worker.terminate();
      (result[subject] ??= []).push(times);
      const found = Object.entries(times).map(([work, ms]) => `${work} ${Math.round(ms)} ms`);
      report(`peers, round ${round + 1}, ${subject}: ${found.join(', ')}`);
    }
  }
  return result;
}
