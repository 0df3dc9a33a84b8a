// Our filesystems and the real Linux are the same to programs: the same histories of several users'
// processes on both, compared call by call.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { findLinuxDirectories, type LinuxDirectory } from '../support/linux/linux-stage.ts';
import { fuzz, FUZZ_TIMEOUT, SOAK } from '../support/history/settings.ts';
import type { Variant } from './linux/burrow-side.ts';
import { compareSides } from './linux/compare.ts';
import { histories } from './linux/generate.ts';
import { hasPlainStickyDirectories, LinuxSide } from './linux/linux-side.ts';
import { soak } from './linux/soak.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

/** tmpfs is what all of ours are compared with: others differ in sizes, blocks and limits. */
const isTmpfs = ({ type }: LinuxDirectory): boolean => type === 'tmpfs';

interface Group {
  readonly name: string;
  readonly filesystem: 'tmpfs' | 'idbfs';
  readonly variant: Variant;
  readonly without: 'keep size' | undefined;
  /** Histories in an ordinary run. */
  readonly count: number;
}

const GROUPS: readonly Group[] = [
  { name: 'tmpfs', filesystem: 'tmpfs', variant: 'tmpfs', without: undefined, count: 300 },
  { name: 'idbfs', filesystem: 'idbfs', variant: 'idbfs', without: undefined, count: 200 },
  {
    name: 'idbfs that keeps next to nothing in memory',
    filesystem: 'idbfs',
    variant: 'small idbfs',
    without: 'keep size',
    count: 200,
  },
];

const sticky = await hasPlainStickyDirectories();

function historiesOf({ without }: Group) {
  return histories({ without: new Set(without === undefined ? [] : [without]), sticky });
}

describe.each((await findLinuxDirectories()).filter(isTmpfs))('Linux $type', ({ path }) => {
  let linux: LinuxSide;
  beforeAll(async () => {
    linux = await LinuxSide.open(path);
  });
  afterAll(() => linux.close());

  const longRun = SOAK;
  if (longRun === undefined) {
    test.each(GROUPS)('$name does what Linux does', async (group) => {
      const property = fc.asyncProperty(historiesOf(group), (history) =>
        compareSides(linux, group.variant, history),
      );
      await fc.assert(property, fuzz(group.count));
    });
    return;
  }

  test('a long run finds no difference', async () => {
    const { minutes, seed, filesystem } = longRun;
    const groups = GROUPS.filter((group) => (filesystem ?? group.filesystem) === group.filesystem);
    let differences = 0;
    for (const group of groups) {
      const print = (line: string): void => {
        process.stdout.write(`${group.name}: ${line}\n`);
      };
      const compare = compareSides.bind(undefined, linux, group.variant);
      const part = minutes / groups.length;
      const options = { seed, minutes: part, histories: historiesOf(group), compare, print };
      differences += (await soak(options)).differences;
    }
    expect(differences).toBe(0);
  });
});
