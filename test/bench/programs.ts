// Real programs, as a page starts them: the time from spawn() to the exit.

import { boot } from '../../src/index.ts';
import type { Isolation, Kernel, MountSpec } from '../../src/api.ts';

export interface ProgramRun {
  /** Name of a module beside the page. */
  readonly program: string;
  readonly args: readonly string[];
}

export interface ProgramOptions {
  readonly isolation: Isolation;
  readonly mount: 'tmpfs' | 'idbfs';
  /** Run once each, in order, before anything is measured; 1,000 files are there already. */
  readonly runs: readonly ProgramRun[];
  /** How often the runs are repeated. */
  readonly repeats: number;
}

const FOLDER = '/tree';
const FILES_PER_FOLDER = 50;
const FILE_COUNT = 1000;
const FILE_SIZE = 4096;

/** Milliseconds of each run, one list a repetition; the first pays for compiling the programs. */
export async function measurePrograms(options: ProgramOptions): Promise<number[][]> {
  const mount: MountSpec =
    options.mount === 'tmpfs' ? { type: 'tmpfs' } : { type: 'idbfs', source: 'bench-programs' };
  const kernel = await boot({ mounts: { '/': mount } });
  const modules = new Map<string, ArrayBuffer>();
  for (const { program } of options.runs) {
    if (modules.has(program)) continue;
    modules.set(program, await (await fetch(`./${program}.wasm`)).arrayBuffer());
  }
  await makeFolders(kernel);
  await kernel.sync();
  const times: number[][] = [];
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    const row: number[] = [];
    for (const { program, args } of options.runs) {
      const bytes = modules.get(program) ?? new ArrayBuffer(0);
      row.push(await runProgram(kernel, { bytes, args, isolation: options.isolation }));
    }
    times.push(row);
  }
  await kernel.shutdown();
  return times;
}

async function makeFolders(kernel: Kernel): Promise<void> {
  for (let index = 0; index < FILE_COUNT; index++) {
    const folder = `${FOLDER}/d${Math.floor(index / FILES_PER_FOLDER)}`;
    if (index % FILES_PER_FOLDER === 0) await kernel.fs.mkdir(folder, { recursive: true });
    await kernel.fs.writeFile(`${folder}/f${index}`, new Uint8Array(FILE_SIZE).fill(index));
  }
}

async function runProgram(
  kernel: Kernel,
  run: { bytes: ArrayBuffer; args: readonly string[]; isolation: Isolation },
): Promise<number> {
  const start = performance.now();
  const { args, isolation } = run;
  const process = await kernel.spawn(run.bytes, { args, isolation });
  const [, complaint, { code }] = await Promise.all([
    new Response(process.stdout).text(),
    new Response(process.stderr).text(),
    process.exited,
  ]);
  if (code !== 0) throw new Error(`${args.join(' ')}: exit code ${code}: ${complaint}`);
  return performance.now() - start;
}
