// The shell: runs command lines one after the other and can be interrupted.

import type { Process } from '../../src/index.ts';
import type { ShellHost } from './host.ts';
import { parse } from './parser.ts';
import { STATUS_INTERRUPTED, runPipeline } from './pipeline.ts';
import { ShellState } from './state.ts';
import type { Script } from './syntax.ts';
import { ShellSyntaxError } from './syntax.ts';

const STATUS_SYNTAX_ERROR = 2;

/** True if `source` can't be run yet because the command goes on in the next line. */
export function isIncomplete(source: string): boolean {
  try {
    parse(source);
    return false;
  } catch (error) {
    return error instanceof ShellSyntaxError && error.incomplete;
  }
}

export class Shell {
  readonly state: ShellState;
  readonly #host: ShellHost;
  #abort: AbortController | null = null;
  readonly #processes = new Set<Process>();

  constructor(host: ShellHost, cwd: string, environment: Readonly<Record<string, string>>) {
    this.#host = host;
    this.state = new ShellState(cwd, environment);
  }

  /** Runs `source` to its end. Afterwards `state.status` and `state.exitCode` say how it went. */
  async run(source: string): Promise<void> {
    let script: Script;
    try {
      script = parse(source);
    } catch (error) {
      if (!(error instanceof ShellSyntaxError)) throw error;
      await this.#host.write(`${error.message}\n`);
      this.state.status = STATUS_SYNTAX_ERROR;
      return;
    }
    this.#abort = new AbortController();
    try {
      await this.#runScript(script, this.#abort.signal);
    } finally {
      this.#abort = null;
    }
  }

  async #runScript(script: Script, signal: AbortSignal): Promise<void> {
    const { state } = this;
    for (const { commands, condition } of script.pipelines) {
      if (condition === 'on-success' && state.status !== 0) continue;
      if (condition === 'on-failure' && state.status === 0) continue;
      const job = { signal, processes: this.#processes };
      state.status = await runPipeline(commands, state, this.#host, job);
      if (signal.aborted) {
        state.status = STATUS_INTERRUPTED;
        return;
      }
      if (state.exitCode !== null) return;
    }
  }

  /** Ends what runs, as Ctrl-C does; the rest of the line is not run. */
  async interrupt(): Promise<void> {
    this.#abort?.abort();
    await Promise.all([...this.#processes].map((process) => process.kill('SIGINT')));
  }
}
