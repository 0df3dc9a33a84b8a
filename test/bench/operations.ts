// Per-operation cost of every subject, each in a worker (or a program) of its own, one operation
// after the other.

import { type Remote, wrap } from 'comlink';
import { boot } from '../../src/index.ts';
import type { Isolation, Kernel } from '../../src/api.ts';
import { type Measured, measureAll, type Rounds, type Samples } from './measure.ts';
import type { RoundTripService } from './round-trip.bench.ts';
import type { ShimService } from './shim.bench.ts';
import type { SubjectService } from './subject.bench.ts';
import { makeTree, type Operation, OPERATIONS } from './subject.ts';

/** What can do which operations. */
interface Contender {
  readonly name: string;
  readonly operations: readonly Operation[];
  run(operation: Operation, count: number): Promise<number>;
}

const SUBJECTS = ['core', 'memfs', 'zenfs-memory', 'zenfs-indexeddb', 'lightning', 'opfs'];

export interface OperationOptions extends Rounds {
  /** Only these; all if empty. */
  readonly subjects?: readonly string[];
  readonly operations?: readonly Operation[];
}

export type OperationSamples = Partial<Record<Operation, Samples>>;

/** Measures every operation of every subject. */
export async function measureOperations(
  options: OperationOptions,
  report: (line: string) => void,
): Promise<OperationSamples> {
  const contenders = await makeContenders(options.subjects ?? []);
  const result: OperationSamples = {};
  for (const operation of options.operations ?? OPERATIONS) {
    const all = contenders
      .filter(({ operations }) => operations.includes(operation))
      .map((contender) => measuredOf(contender, operation));
    if (operation === 'tell') all.push(await makeRoundTrip());
    result[operation] = await measureAll(all, options);
    report(operation);
  }
  return result;
}

function measuredOf(contender: Contender, operation: Operation): Measured {
  return { name: contender.name, run: (count) => contender.run(operation, count) };
}

async function makeContenders(only: readonly string[]): Promise<Contender[]> {
  const isWanted = (name: string): boolean => only.length === 0 || only.includes(name);
  const all: Contender[] = [];
  for (const name of SUBJECTS.filter(isWanted)) all.push(await startSubject(name));
  const module = await WebAssembly.compileStreaming(fetch('./syscall-loop.wasm'));
  if (isWanted('shim')) all.push(await startShim(module));
  const modes = (['inline', 'worker'] as const).filter(isWanted);
  if (modes.length > 0) {
    const kernel = await boot({ mounts: { '/': { type: 'tmpfs' } } });
    await makeTree(kernel.fs);
    for (const mode of modes) all.push(taskContender(kernel, module, mode));
  }
  return all;
}

async function startSubject(name: string): Promise<Contender> {
  const worker = new Worker(new URL('./subject.bench.ts', import.meta.url), {
    type: 'module',
    name,
  });
  const service = wrap<SubjectService>(worker);
  const operations = await service.start();
  const run = async (operation: Operation, count: number): Promise<number> =>
    (await service.run(operation, count)) * 1e6;
  return { name, operations, run };
}

async function startShim(module: WebAssembly.Module): Promise<Contender> {
  const worker = new Worker(new URL('./shim.bench.ts', import.meta.url), { type: 'module' });
  const service: Remote<ShimService> = wrap(worker);
  await service.start(module);
  return {
    name: 'shim',
    operations: OPERATIONS,
    run: (operation, count) => service.run(operation, count),
  };
}

function taskContender(
  kernel: Kernel,
  module: WebAssembly.Module,
  isolation: Isolation,
): Contender {
  const run = async (operation: Operation, count: number): Promise<number> => {
    const process = await kernel.spawn(module, { args: [operation, String(count)], isolation });
    const [text, complaint, { code }] = await Promise.all([
      new Response(process.stdout).text(),
      new Response(process.stderr).text(),
      process.exited,
    ]);
    if (code !== 0) throw new Error(`${operation}: exit code ${code}: ${complaint}`);
    return Number(text);
  };
  return { name: isolation, operations: OPERATIONS, run };
}

/** The bare round trip between two threads, to be measured beside the calls of a threaded task. */
async function makeRoundTrip(): Promise<Measured> {
  const [server, client] = [startRoundTrip(), startRoundTrip()];
  const memory = new SharedArrayBuffer(4);
  await server.serve(memory);
  return {
    name: 'round-trip',
    run: async (count) => (await client.call(memory, count)) * 1e6,
  };
}

function startRoundTrip(): Remote<RoundTripService> {
  const worker = new Worker(new URL('./round-trip.bench.ts', import.meta.url), { type: 'module' });
  return wrap(worker);
}
