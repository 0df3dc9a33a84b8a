// The real command `burrowfs gofer` as a child process, to be killed like one.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseGoferUrl } from '../../src/transport/gofer-url.ts';

export interface GoferCommand {
  /** The command, as Node runs it. */
  readonly script: string;
  /** What is served. */
  readonly folder: string;
  readonly token: string;
}

export class GoferProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(child: ChildProcess, closed: Promise<unknown>, port: number) {
    this.#child = child;
    this.#closed = closed;
    this.port = port;
  }

  /** Returns once it listens. Errors: Error with all output if it ends instead. */
  static async start({ script, folder, token }: GoferCommand): Promise<GoferProcess> {
    const args = ['gofer', folder, '--port', '0', '--token', token, '--log-level', 'warn'];
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    let output = '';
    const port = await new Promise<number>((resolve, reject) => {
      const take = (text: string): void => {
        output += text;
        const [, address] = /^address +(\S+)$/m.exec(output) ?? [];
        if (address !== undefined) resolve(Number(new URL(parseGoferUrl(address).url).port));
      };
      child.stdout.setEncoding('utf8').on('data', take);
      child.stderr.setEncoding('utf8').on('data', take);
      void closed.then(() => {
        reject(new Error(`the command ended:\n${output}`));
      });
    });
    return new GoferProcess(child, closed, port);
  }

  /** As the host does it that has no memory left: nobody is told. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
