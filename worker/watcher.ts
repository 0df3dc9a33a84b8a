// kernel.fs.watch() on the page's side. The watch is set at once and not when somebody first asks
// for an event: what is done after the call is told of.

import type { WatchEvent, Watcher } from '../src/api.ts';
import type { TreeEvent } from '../src/kernel/tree-watch.ts';
import type { CallFileService } from './call-file-service.ts';

export class WatcherImpl implements Watcher {
  readonly ready: Promise<void>;
  readonly #call: CallFileService;
  readonly #id: Promise<number>;
  #isClosed = false;

  constructor(
    call: CallFileService,
    path: string,
    options: { recursive?: boolean; all?: boolean; signal?: AbortSignal },
  ) {
    this.#call = call;
    const how = { recursive: options.recursive ?? false, all: options.all ?? false };
    this.#id = call('watch', [path, how], 'watch', { path }).then((id) => id as number);
    this.ready = this.#id.then(() => undefined);
    // Whoever only iterates is told there.
    this.ready.catch(() => undefined);
    const { signal } = options;
    if (signal?.aborted === true) void this.close();
    else signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // One that could not be set needs no ending.
    const id = await this.#id.catch(() => undefined);
    if (id !== undefined) await this.#call('watchClose', [id], 'watch');
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchEvent> {
    try {
      const id = await this.#id;
      while (!this.#isClosed) {
        const events = (await this.#call('watchNext', [id], 'watch')) as TreeEvent[];
        if (events.length === 0) return;
        yield* events;
      }
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
