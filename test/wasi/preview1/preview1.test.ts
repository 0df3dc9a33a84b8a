// The cases of preview1 on each filesystem, and on Node's WASI as a second opinion.

import { afterAll, describe, expect, test, vi } from 'vitest';
import type { KernelMountSpec } from '../../../src/kernel/filesystem-types.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { PREVIEW1_SIGNATURES } from '../../../src/wasi/signatures.ts';
import { ALL_CASES } from './all-cases.ts';
import { openBurrow } from './burrow-world.ts';
import type { Preview1Case } from './case.ts';
import { openNode } from './node-world.ts';
import { Program } from './program.ts';
import type { World } from './world.ts';

// Node says once that its WASI is experimental.
vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);

const called = new Set<string>();

async function runCase({ run }: Preview1Case, world: World): Promise<void> {
  const program = new Program(world);
  try {
    await run(program);
  } finally {
    for (const name of program.called) called.add(name);
    await world.close();
  }
}

const HOSTS: readonly { readonly name: string; readonly open: () => Promise<World> }[] = [
  { name: 'tmpfs', open: () => openBurrow({ type: 'tmpfs' }) },
  { name: 'idbfs', open: () => openIdbfs({ yields: false }) },
  { name: 'idbfs on a store that always waits', open: () => openIdbfs({ yields: true }) },
];

function openIdbfs(options: { readonly yields: boolean }): Promise<World> {
  const root: KernelMountSpec = { type: 'idbfs' };
  return openBurrow(root, new MemoryStore({ ...options, capacityBytes: 2 ** 30 }));
}

describe.each(HOSTS)('on $name', ({ open }) => {
  test.each(ALL_CASES)('$title', async (each) => {
    await runCase(each, await open());
  });
});

describe("on Node's WASI", () => {
  for (const each of ALL_CASES) {
    const { node } = each;
    if (node !== undefined && 'cannot' in node) continue;
    const declare = node === undefined ? test : test.fails;
    declare(node === undefined ? each.title : `${each.title} (${node.differs})`, async () => {
      await runCase(each, await openNode());
    });
  }
});

test('titles are unique', () => {
  const titles = ALL_CASES.map(({ title }) => title);
  expect(titles).toEqual([...new Set(titles)]);
});

afterAll(() => {
  const missing = Object.keys(PREVIEW1_SIGNATURES).filter((name) => !called.has(name));
  // With a filter only some cases run.
  if (called.size > 30) expect(missing).toEqual([]);
});
