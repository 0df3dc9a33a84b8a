// The real Linux as a side of a history: a python3 process (test/support/linux/histories.py) that
// gets a whole history as one line.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { assert } from '../../../src/lib/assert.ts';
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
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting: {
    readonly resolve: (answer: Answer) => void;
    readonly reject: (reason: Error) => void;
  }[] = [];
  #failure: Error | undefined;
  #count = 0;

  private constructor(directory: string) {
    this.#directory = directory;
    const script = new URL('../../support/linux/histories.py', import.meta.url);
    this.#process = spawn('python3', [fileURLToPath(script)]);
    this.#process.stderr.pipe(process.stderr);
    this.#process.on('exit', (code) => {
      this.#failure = new Error(`the agent on the real Linux ended with ${String(code)}`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line) as Answer);
    });
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
    if (this.#failure !== undefined) throw this.#failure;
    const request = {
      directory: `${this.#directory}/${this.#count++}`,
      processes: PROCESSES,
      runs: runsOf(history),
    };
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    });
    if ('bug' in answer) throw new Error(answer.bug);
    return answer;
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin.end();
    await exited;
    await rm(this.#directory, { recursive: true, force: true });
  }
}
