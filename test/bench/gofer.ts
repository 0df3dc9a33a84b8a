// A gofer beside a bare WebSocket, in rounds: each once a round, in a fresh worker.

import { type Remote, wrap } from 'comlink';
import type { GoferAddresses, GoferService, TransferTimes, Trips } from './gofer.bench.ts';

export interface GoferBenchOptions {
  readonly addresses: GoferAddresses;
  readonly mib: number;
  readonly delayMs: number;
  readonly rounds: number;
}

export interface GoferResult {
  readonly transfers: Record<'gofer' | 'frames', TransferTimes[]>;
  readonly trips: Record<string, Trips>;
}

export async function measureGofer(
  { addresses, mib, delayMs, rounds }: GoferBenchOptions,
  report: (line: string) => void,
): Promise<GoferResult> {
  const all: GoferResult['transfers'] = { gofer: [], frames: [] };
  for (let round = 1; round <= rounds; round++) {
    const transfers = {
      gofer: await inWorker((service) => service.transfer(addresses, mib)),
      frames: await inWorker((service) => service.frames(addresses, mib)),
    };
    for (const [subject, times] of Object.entries(transfers)) {
      all[subject as keyof typeof transfers].push(times);
      const { write, read } = times;
      report(
        `gofer, round ${round}, ${subject}: write ${Math.round(write)} ms, ` +
          `read ${Math.round(read)} ms`,
      );
    }
  }
  const trips = {
    ...(await inWorker((service) => service.trips(addresses, delayMs))),
    'find, 9P': await inWorker((service) => service.naiveFind(addresses, delayMs)),
  };
  for (const [name, { requests, rounds: waited, ms }] of Object.entries(trips)) {
    report(`gofer, ${name}: ${requests} requests, ${waited} rounds, ${Math.round(ms)} ms`);
  }
  return { transfers: all, trips };
}

async function inWorker<T>(run: (service: Remote<GoferService>) => Promise<T>): Promise<T> {
  const worker = new Worker(new URL('./gofer.bench.ts', import.meta.url), { type: 'module' });
  const failed = new Promise<never>((_, reject) => {
    worker.onerror = ({ message }) => {
      reject(new Error(message));
    };
  });
  try {
    return await Promise.race([run(wrap<GoferService>(worker)), failed]);
  } finally {
    worker.terminate();
  }
}
