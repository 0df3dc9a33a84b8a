// The real Linux as a side of a history: a python3 process (test/support/linux/histories.py) that
// gets a whole history as one line.

import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { assert } from '../../../src/lib/assert.ts';
import { AgentProcess } from '../../support/linux/agent-process.ts';
import { materialize, PROCESSES, type SideResult, type Step } from './step.ts';

type Answer = SideResult | { readonly bug: string };
type Call = [name: string, args: unknown[]];

const TICK = -1;

/** What these settings forbid in sticky directories is not what the kernel does without them. */
const STICKY_SETTINGS = ['protected_fifos', 'protected_regular', 'protected_symlinks'];

/** Sticky directories behave here as POSIX has it. */
export async function hasPlainStickyDirectories(): Promise<boolean> {
  for (const setting of STICKY_SETTINGS) {
    const value = await readFile(`/proc/sys/fs/${setting}`, 'utf8').catch(() => '0');
    if (value.trim() !== '0') return false;
  }
  return true;
}

/** Steps that follow each other in one process, together. */
function runsOf(history: readonly Step[]): [who: number, calls: Call[]][] {
  const runs: [number, Call[]][] = [];
  for (const step of history) {
    const who = step.call === 'tick' ? TICK : step.who;
    let last = runs.at(-1);
    if (last?.[0] !== who || who === TICK) {
      last = [who, []];
      runs.push(last);
    }
    if (step.call === 'tick') continue;
    const args = materialize<unknown>(step, {
      data: ({ seed, length }) => [seed, length],
      buffer: ({ room }) => room,
      time: ({ sec, nsec }) => [sec, nsec],
    });
    last[1].push([step.call, args]);
  }
  return runs;
}

export class LinuxSide {
  readonly #directory: string;
  readonly #process = new AgentProcess<Answer>('histories.py');
  #count = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Its trees are made in a directory below `parent`. */
  static async open(parent: string): Promise<LinuxSide> {
    assert(process.getuid?.() === 0, 'histories on the real Linux act as several users: be root');
    const directory = await mkdtemp(`${parent}/burrow-fuzz-`);
    await chmod(directory, 0o755);
    return new LinuxSide(directory);
  }

  /** Errors: Error for a call that waits. */
  async run(history: readonly Step[]): Promise<SideResult> {
    const answer = await this.#process.ask({
      directory: `${this.#directory}/${this.#count++}`,
      processes: PROCESSES,
      runs: runsOf(history),
    });
    if ('bug' in answer) throw new Error(answer.bug);
    return answer;
  }

  async close(): Promise<void> {
    await this.#process.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
