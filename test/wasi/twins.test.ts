// Twin programs print the same here and on the Linux of this machine; raw probes print what is
// written down.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { runAsync } from '../../src/lib/op.ts';
import { bootKernel } from '../support/kernels.ts';
import {
  BlockingClock,
  type ProgramOptions,
  type ProgramResult,
  runProgram,
} from './run-program.ts';
import {
  buildTwins,
  RAW_PROBES,
  rawExpected,
  rawWasm,
  runNative,
  type TwinResult,
  TWINS,
  twinWasm,
} from './twins.ts';

// The first run compiles.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 600_000 });

const ROOTS: readonly KernelMountSpec[] = [{ type: 'tmpfs' }, { type: 'idbfs' }];

const native = new Map<string, TwinResult>();
let directory: string;

beforeAll(async () => {
  await buildTwins();
  directory = await mkdtemp(join(tmpdir(), 'burrow-twins-'));
  for (const { name } of TWINS) {
    native.set(name, await runNative(name, await mkdtemp(join(directory, 'run-'))));
  }
});

afterAll(() => rm(directory, { recursive: true }));

/** Runs a module alone on a fresh kernel. */
async function runOn(
  root: KernelMountSpec,
  path: string,
  options: ProgramOptions,
): Promise<ProgramResult> {
  const clock = new BlockingClock();
  const kernel = await bootKernel(root, { clock });
  const module = await WebAssembly.compile(await readFile(path));
  const result = await runProgram({ kernel, clock }, module, options);
  await runAsync(kernel.shutdown());
  return result;
}

describe.each(ROOTS)('on $type', (root) => {
  test.each(TWINS)('$name is as on Linux', async (twin) => {
    const { stdout, stderr, code, error } = await runOn(root, await twinWasm(twin.name), twin);
    expect({ stdout, stderr, code, error }).toEqual({ ...native.get(twin.name), error: null });
  });

  test.each(RAW_PROBES)('the probe %s prints what preview1 says', async (name) => {
    const options = { name, args: [], env: {}, stdin: '' };
    const { stdout, stderr, code, error } = await runOn(root, await rawWasm(name), options);
    const expected = { stdout: await rawExpected(name), stderr: '', code: 0, error: null };
    expect({ stdout, stderr, code, error }).toEqual(expected);
  });
});
