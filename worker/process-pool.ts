// ProcessPool: process workers, kept for the next program so that starting one doesn't start a
// thread.

import type { Exit } from '../src/wasi/exit.ts';
import type { ExitMessage, RunMessage } from './protocol.ts';

/** Idle workers kept. */
const IDLE_MAX = 2;

/** A program running in a process worker. */
export interface RunningProcess {
  readonly exited: Promise<Exit>;
  /** Ends the thread at once. `exited` never resolves then. */
  terminate(): void;
}

export class ProcessPool {
  readonly #idle: Worker[] = [];

  /** Starts a worker ahead of time. */
  prepare(): void {
    if (this.#idle.length === 0) this.#idle.push(startWorker());
  }

  run(message: RunMessage): RunningProcess {
    const worker = this.#idle.pop() ?? startWorker();
    const exited = new Promise<Exit>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<ExitMessage>) => {
        this.#release(worker);
        resolve(data.exit);
      };
      worker.onerror = (event) => {
        worker.terminate();
        const reason = event.message === '' ? 'its thread could not be started' : event.message;
        const error = `${message.program.name} could not go on: ${reason}`;
        resolve({ code: 134, signal: null, error });
      };
    });
    worker.postMessage(message);
    return {
      exited,
      terminate: () => {
        worker.terminate();
        this.prepare();
      },
    };
  }

  #release(worker: Worker): void {
    worker.onmessage = null;
    worker.onerror = null;
    if (this.#idle.length < IDLE_MAX) this.#idle.push(worker);
    else worker.terminate();
  }

  terminateAll(): void {
    for (const worker of this.#idle) worker.terminate();
    this.#idle.length = 0;
  }
}

function startWorker(): Worker {
  return new Worker(new URL('./process.worker.ts', import.meta.url), {
    type: 'module',
    name: 'burrow-process',
  });
}
