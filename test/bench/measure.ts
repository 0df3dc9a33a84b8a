// Measuring things beside one another. Every round measures each of them once, so that what else
// the machine does meets all alike; what is compared are medians over the rounds.

/** Something that can be done many times. Answers how many nanoseconds `count` times took. */
export interface Measured {
  readonly name: string;
  run(count: number): Promise<number>;
}

/** Nanoseconds for once, one value a round. */
export type Samples = Record<string, number[]>;

export interface Rounds {
  readonly rounds: number;
  /** About how long one measurement takes. */
  readonly batchMs: number;
}

const COUNT_MAX = 1 << 22;

/** In milliseconds. */
export async function timeOf(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/**
 * How often something is done in about `batchMs`. Found by doing it, which also lets the engine
 * compile it: the last trial is as long as a measurement.
 */
async function calibrate(measured: Measured, batchMs: number): Promise<number> {
  let count = 1;
  for (;;) {
    const ms = (await measured.run(count)) / 1e6;
    if (ms >= batchMs / 2 || count >= COUNT_MAX) {
      return Math.max(1, Math.min(COUNT_MAX, Math.round((count * batchMs) / ms)));
    }
    const factor = Math.min(16, Math.max(2, batchMs / Math.max(ms, 0.001)));
    count = Math.min(COUNT_MAX, Math.ceil(count * factor));
  }
}

export async function measureAll(all: readonly Measured[], options: Rounds): Promise<Samples> {
  const samples: Samples = {};
  const counts = new Map<Measured, number>();
  for (const measured of all) {
    counts.set(measured, await calibrate(measured, options.batchMs));
    // What the engine compiles in the background is in use from the second trial on.
    counts.set(measured, await calibrate(measured, options.batchMs));
    samples[measured.name] = [];
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const measured of all) {
      const count = counts.get(measured) ?? 1;
      samples[measured.name]?.push((await measured.run(count)) / count);
    }
  }
  return samples;
}
