// Two programs on a gofer mount, every frame of the protocol a step. Executions differ from the one
// in which what is under way goes on first by up to DELAYS_MAX choices.

import { describe, expect, test } from 'vitest';
import { create, mkdir, rename, rmdir, unlink } from './calls.ts';
import { execute, type GoferScenario } from './stepped-gofer.ts';

const CACHES = ['fscache', 'fscache_writethrough', 'remote_revalidating', 'none'];
/** `BURROW_INTERLEAVING=all` takes minutes. */
const DELAYS_MAX = process.env['BURROW_INTERLEAVING'] === 'all' ? 2 : 1;
const TIMEOUT_MS = DELAYS_MAX > 1 ? 3_600_000 : 120_000;

const SCENARIOS: readonly GoferScenario[] = [
  {
    title: 'of two renames of one file, one finds nothing',
    tree: [mkdir('/a'), create('/a/b')],
    programs: [[rename('/a/b', '/x')], [rename('/a/b', '/y')]],
  },
  {
    title: 'a file is renamed or unlinked, not both',
    tree: [mkdir('/a'), mkdir('/c'), create('/a/b')],
    programs: [[rename('/a/b', '/c/e')], [unlink('/a/b')]],
  },
  {
    title: 'of two opens with O_CREAT | O_EXCL, one makes the file',
    tree: [mkdir('/a')],
    programs: [[create('/a/f')], [create('/a/f')]],
  },
  {
    title: 'nothing is created in a directory that is removed',
    tree: [mkdir('/a')],
    programs: [[create('/a/f')], [rmdir('/a')]],
  },
];

/** What comes of the calls one after the other, in either order. */
async function serialTexts(scenario: GoferScenario, cache: string): Promise<Set<string>> {
  const first = await execute(scenario, { cache, schedule: [0] });
  const second = await execute(scenario, { cache, schedule: [1] });
  return new Set([first.text, second.text]);
}

describe.each(CACHES)('%s', (cache) => {
  test.each(SCENARIOS)(
    '$title',
    async (scenario) => {
      const allowed = await serialTexts(scenario, cache);
      const texts = new Set<string>();
      let executions = 0;
      const explore = async (schedule: readonly number[], delays: number): Promise<void> => {
        const { text, counts } = await execute(scenario, { cache, schedule });
        executions++;
        texts.add(text);
        expect(allowed, `schedule ${schedule.join(' ')}`).toContain(text);
        if (delays === 0) return;
        for (let at = schedule.length; at < counts.length; at++) {
          const before = [...schedule, ...Array<number>(at - schedule.length).fill(0)];
          for (let other = 1; other < counts[at]!; other++) {
            await explore([...before, other], delays - 1);
          }
        }
      };
      await explore([], DELAYS_MAX);
      expect(executions).toBeGreaterThan(2);
      // Both orders can come about, so the search has seen both.
      expect(texts).toEqual(allowed);
    },
    TIMEOUT_MS,
  );
});
