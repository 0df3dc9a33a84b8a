// The benchmarks' page. .tools/bench.mjs opens it and calls what it puts into `bench`; or
// .tools/bench-undriven.mjs does, whose address says what to run and where to tell of it.

import { type GoferBenchOptions, type GoferResult, measureGofer } from './gofer.ts';
import {
  type HostChangesOptions,
  type HostChangeTimes,
  measureHostChanges,
} from './host-changes.ts';
import { measureOperations, type OperationOptions, type OperationSamples } from './operations.ts';
import type { PeerTimes } from './peers.bench.ts';
import { measurePeers, type PeersOptions } from './peers.ts';
import { measurePrograms, type ProgramOptions } from './programs.ts';
import { measureSmallFiles, type SmallFilesOptions } from './small-files.ts';
import type { RunTimes } from './small-files.bench.ts';
import { measureSparse, type SparseResult } from './sparse.ts';
import type { WorkTimes } from './storage.bench.ts';
import { measureStorage, type StorageOptions } from './storage.ts';
import type { TreeTimes } from './tree.bench.ts';
import { measureTree, type TreeOptions } from './tree.ts';

interface Asked {
  readonly suite: keyof typeof bench;
  readonly options: unknown;
  /** Where the lines and the result are posted. */
  readonly to: string;
}

const asked = location.hash.length > 1 ? askedIn(location.hash) : undefined;

function askedIn(hash: string): Asked {
  return JSON.parse(decodeURIComponent(hash.slice(1))) as Asked;
}

const report = (line: string): void => {
  console.info(line);
  if (asked !== undefined) void post(asked, 'line', line);
};

async function post({ to }: Asked, what: 'line' | 'result' | 'error', body: string): Promise<void> {
  await fetch(`${to}/${what}`, { method: 'POST', body });
}

const bench = {
  operations: (options: OperationOptions): Promise<OperationSamples> =>
    measureOperations(options, report),
  smallFiles: (options: SmallFilesOptions): Promise<Record<string, RunTimes[]>> =>
    measureSmallFiles(options, report),
  storage: (options: StorageOptions): Promise<Record<string, WorkTimes[]>> =>
    measureStorage(options, report),
  tree: (options: TreeOptions): Promise<Record<string, TreeTimes[]>> =>
    measureTree(options, report),
  peers: (options: PeersOptions): Promise<Record<string, PeerTimes[]>> =>
    measurePeers(options, report),
  gofer: (options: GoferBenchOptions): Promise<GoferResult> => measureGofer(options, report),
  hostChanges: (options: HostChangesOptions): Promise<HostChangeTimes> =>
    measureHostChanges(options, report),
  programs: (options: ProgramOptions): Promise<number[][]> => measurePrograms(options),
  sparse: (): Promise<SparseResult> => measureSparse(report),
};

Object.assign(globalThis, { bench });

if (asked !== undefined) {
  const run = bench[asked.suite] as (options: unknown) => Promise<unknown>;
  run(asked.options).then(
    (result) => post(asked, 'result', JSON.stringify(result)),
    (error: unknown) => post(asked, 'error', String(error)),
  );
}
