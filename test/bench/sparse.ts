// A file of 5 GiB that is mostly a hole, on idbfs: written at both ends, read from one end to the
// other, truncated. .tools/bench.mjs watches how much memory the page takes meanwhile.

import { boot } from '../../src/index.ts';
import type { FileHandle } from '../../src/api.ts';
import { timeOf } from './measure.ts';

export interface SparseResult {
  readonly milliseconds: Readonly<Record<string, number>>;
  /** What the browser says the page and its workers use, after the work. */
  readonly measuredBytes: number;
}

const SIZE = 5 * 2 ** 30;
const PIECE = 1 << 20;
const PATH = '/sparse';

/** Chromium's; TypeScript's library doesn't know it. */
type MeasuringPerformance = Performance & {
  measureUserAgentSpecificMemory(): Promise<{ bytes: number }>;
};

export async function measureSparse(report: (line: string) => void): Promise<SparseResult> {
  const kernel = await boot({ mounts: { '/': { type: 'idbfs', source: 'bench-sparse' } } });
  const file = await kernel.fs.open(PATH, 'w+');
  const piece = new Uint8Array(PIECE).fill(42);
  const milliseconds: Record<string, number> = {};
  const step = async (name: string, run: () => Promise<void>): Promise<void> => {
    milliseconds[name] = await timeOf(run);
    report(`sparse file: ${name}`);
  };
  await step('write 1 MiB at both ends', async () => {
    await file.write(piece, 0, PIECE, 0);
    await file.write(piece, 0, PIECE, SIZE - PIECE);
  });
  await step('sync', () => kernel.sync());
  await step('read all of it', () => readAll(file));
  await step('truncate to 1 MiB and sync', async () => {
    await file.truncate(PIECE);
    await kernel.sync();
    const { size } = await file.stat();
    if (size !== PIECE) throw new Error(`its size is ${size} after truncating`);
  });
  const { bytes } = await (performance as MeasuringPerformance).measureUserAgentSpecificMemory();
  await file.close();
  await kernel.shutdown();
  return { milliseconds, measuredBytes: bytes };
}

async function readAll(file: FileHandle): Promise<void> {
  const buffer = new Uint8Array(PIECE);
  for (let at = 0; at < SIZE; at += PIECE) {
    const { bytesRead, buffer: filled } = await file.read(buffer, 0, PIECE, at);
    const isData = at === 0 || at === SIZE - PIECE;
    const expected = isData ? 42 : 0;
    if (bytesRead !== PIECE || filled[0] !== expected || filled[PIECE - 1] !== expected) {
      throw new Error(`what was read at ${at} is not what was written`);
    }
  }
}
