// Many small files, in rounds: every subject in turn, in a fresh worker, where it does the same
// several times.

import { wrap } from 'comlink';
import type { RunTimes, SmallFilesService } from './small-files.bench.ts';

export interface SmallFilesOptions {
  /** How many files which subject makes. */
  readonly counts: Readonly<Record<string, number>>;
  readonly rounds: number;
}

export async function measureSmallFiles(
  options: SmallFilesOptions,
  report: (line: string) => void,
): Promise<Record<string, RunTimes[]>> {
  const result: Record<string, RunTimes[]> = {};
  for (let round = 0; round < options.rounds; round++) {
    for (const [subject, count] of Object.entries(options.counts)) {
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
