// AgentProcess: a python3 script that answers requests, a line of JSON each, in whatever order.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface Pending<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
}

/** An answer has the `id` of its request. */
export class AgentProcess<Answer> {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, Pending<Answer>>();
  #failure: Error | undefined;
  #requestCount = 0;

  /** `script`: a file of this folder. */
  constructor(script: string) {
    this.#process = spawn('python3', [fileURLToPath(new URL(script, import.meta.url))]);
    this.#process.stderr.pipe(process.stderr);
    this.#process.on('error', (error) => {
      this.#fail(
        new Error(`python3, which makes the system calls, doesn't start: ${error.message}`),
      );
    });
    this.#process.on('exit', (code) => {
      this.#fail(new Error(`the agent on the real Linux ended with ${String(code)}`));
    });
    this.#process.stdin.on('error', (error) => {
      this.#fail(error);
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer & { readonly id: number };
      this.#pending.get(answer.id)?.resolve(answer);
      this.#pending.delete(answer.id);
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }

  /** Errors: Error if the process has ended. */
  ask(request: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#requestCount += 1;
      const id = this.#requestCount;
      this.#pending.set(id, { resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ ...request, id })}\n`);
    });
  }

  async close(): Promise<void> {
    this.#process.removeAllListeners('exit');
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin.end();
    if (this.#process.pid !== undefined && this.#process.exitCode === null) await exited;
  }
}
