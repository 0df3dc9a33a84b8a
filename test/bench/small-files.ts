// Many small files, in rounds: every subject once a round, in a fresh worker.

import { wrap } from 'comlink';
import type { PhaseTimes, SmallFilesService } from './small-files.bench.ts';

export interface SmallFilesOptions {
  /** How many files which subject makes. */
  readonly counts: Readonly<Record<string, number>>;
  readonly rounds: number;
}

/** The browser goes on with what the subject before it has left: files to merge, to delete. */
const SETTLE_MS = 1000;

export async function measureSmallFiles(
  options: SmallFilesOptions,
  report: (line: string) => void,
): Promise<Record<string, PhaseTimes[]>> {
  const result: Record<string, PhaseTimes[]> = {};
  for (let round = 0; round < options.rounds; round++) {
    for (const [subject, count] of Object.entries(options.counts)) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const worker = startWorker();
      const service = wrap<SmallFilesService>(worker);
      (result[subject] ??= []).push(await service.run(subject, count, round));
      worker.terminate();
    }
    report(`small files, round ${round + 1}`);
  }
  return result;
}

function startWorker(): Worker {
  return new Worker(new URL('./small-files.bench.ts', import.meta.url), { type: 'module' });
}
