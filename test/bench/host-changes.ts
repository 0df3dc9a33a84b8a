// How long it takes until a page, and a program in it, know of a change that was made on the host
// of a gofer: by fs.watch, and by inotify.

import type { Kernel } from '../../src/api.ts';
import { boot } from '../../src/index.ts';

export interface HostChangesOptions {
  /** Of the gofer, with its token. */
  readonly gofer: string;
  /** Who changes a file of the watched directory for each frame: .tools/bench-gofer.mjs. */
  readonly changes: string;
  readonly count: number;
}

/** Milliseconds, one for each change: from asking for it until it is told. */
export type HostChangeTimes = Record<'fs.watch' | 'inotify', number[]>;

/** In the folder that is served. */
const DIRECTORY = 'watched';

/** Asks for changes, each of a name of its own. */
class Changes {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(url: string): Promise<Changes> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Changes(socket);
  }

  /** Milliseconds. `told` resolves when the name was told. */
  async time(name: string, told: (name: string) => Promise<void>): Promise<number> {
    const seen = told(name);
    const start = performance.now();
    this.#socket.send(name);
    await seen;
    return performance.now() - start;
  }

  close(): void {
    this.#socket.close();
  }
}

/** Text that comes bit by bit, and who waits for some of it. */
class Heard {
  #text = '';
  #wake = (): void => undefined;

  add(text: string): void {
    this.#text += text;
    this.#wake();
  }

  async until(wanted: string): Promise<void> {
    while (!this.#text.includes(wanted)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A change of its own now and then, until it is told: the watch is set. */
async function warmUp(changes: Changes, prefix: string, heard: Heard): Promise<void> {
  let isSet = false;
  const told = heard.until(`${prefix}-first`).then(() => {
    isSet = true;
  });
  while (!isSet) {
    void changes.time(`${prefix}-first`, () => told);
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
}

async function measure(
  changes: Changes,
  { prefix, heard, count }: { prefix: string; heard: Heard; count: number },
): Promise<number[]> {
  await warmUp(changes, prefix, heard);
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const name = `${prefix}-${index}-`;
    times.push(await changes.time(name, () => heard.until(name)));
  }
  return times;
}

async function byFsWatch(kernel: Kernel, changes: Changes, count: number): Promise<number[]> {
  const heard = new Heard();
  const abort = new AbortController();
  const watcher = kernel.fs.watch(`/remote/${DIRECTORY}`, { signal: abort.signal });
  const watching = (async () => {
    for await (const { path } of watcher) heard.add(`${path}\n`);
  })();
  const times = await measure(changes, { prefix: 'page', heard, count });
  abort.abort();
  await watching;
  return times;
}

/** The program prints each event as it comes, until one that is named "end" is removed. */
async function byInotify(kernel: Kernel, changes: Changes, count: number): Promise<number[]> {
  const heard = new Heard();
  const bytes = await (await fetch('./watch-until.wasm')).arrayBuffer();
  const program = await kernel.spawn(bytes, { args: [`/remote/${DIRECTORY}`] });
  const reader = program.stdout!.getReader();
  const decoder = new TextDecoder();
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard.add(decoder.decode(value, { stream: true }));
    }
  })();
  const times = await measure(changes, { prefix: 'program', heard, count });
  await kernel.fs.writeFile(`/remote/${DIRECTORY}/end`, '');
  await kernel.fs.unlink(`/remote/${DIRECTORY}/end`);
  await Promise.all([reading, program.exited]);
  return times;
}

export async function measureHostChanges(
  { gofer, changes: url, count }: HostChangesOptions,
  report: (line: string) => void,
): Promise<HostChangeTimes> {
  const kernel = await boot({ mounts: { '/': { type: 'tmpfs' } } });
  await kernel.fs.mkdir('/remote');
  await kernel.mount('/remote', { type: 'gofer', source: gofer });
  const changes = await Changes.open(url);
  const times = {
    'fs.watch': await byFsWatch(kernel, changes, count),
    inotify: await byInotify(kernel, changes, count),
  };
  changes.close();
  await kernel.shutdown();
  for (const [how, all] of Object.entries(times)) {
    const worst = Math.max(...all).toFixed(1);
    report(`gofer, a change on the host, told by ${how}: worst of ${all.length} ${worst} ms`);
  }
  return times;
}
