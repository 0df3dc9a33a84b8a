// Plumbing: the standard streams of a program on the page's side.

import type { SpawnOptions, StdinSpec, StdoutSpec, Terminal } from '../src/api.ts';
import type { StdioSource, TerminalStreams } from './protocol.ts';

/** What can come to an end: the kernel. */
interface Ending {
  /** Calls `listener` when it has. Returns a function that withdraws. */
  onEnd(listener: (reason: Error) => void): () => void;
}

/** The standard streams of a program: what goes to the kernel, and what the page keeps. */
export class Plumbing {
  readonly stdio: StdioSource[];
  readonly terminals: TerminalStreams[] = [];
  readonly transferables: Transferable[] = [];
  stdin: WritableStream<Uint8Array> | null = null;
  stdout: ReadableStream<Uint8Array> | null = null;
  stderr: ReadableStream<Uint8Array> | null = null;
  readonly #terminals: Terminal[] = [];
  readonly #worker: Ending;

  constructor(options: SpawnOptions, worker: Ending) {
    this.#worker = worker;
    this.stdio = [
      this.#input(options.stdin ?? 'null'),
      this.#output(options.stdout ?? 'pipe', 'stdout'),
      this.#output(options.stderr ?? 'pipe', 'stderr'),
    ];
  }

  /** A pipe to or from the kernel, which fails when that is gone: otherwise it would never end. */
  #pipe(): TransformStream<Uint8Array, Uint8Array> {
    let forget = (): void => undefined;
    const onEnd = (): void => {
      forget();
    };
    // TypeScript's library doesn't know `cancel` yet.
    const transformer: Transformer<Uint8Array, Uint8Array> & { cancel: () => void } = {
      start: (controller) => {
        forget = this.#worker.onEnd((reason) => {
          controller.error(reason);
        });
      },
      flush: onEnd,
      cancel: onEnd,
    };
    return new TransformStream(transformer);
  }

  #input(spec: StdinSpec | { readonly file: string }): StdioSource {
    if (spec === 'null') return { kind: 'null' };
    if (spec === 'pipe') {
      const { readable, writable } = this.#pipe();
      this.stdin = writable;
      return this.#readable(readable);
    }
    if (spec instanceof ReadableStream) return this.#readable(spec);
    if ('file' in spec) return { kind: 'file', path: spec.file, append: false };
    return this.#terminal(spec);
  }

  #output(
    spec: StdoutSpec | { readonly file: string; readonly append?: boolean },
    name: 'stdout' | 'stderr',
  ): StdioSource {
    if (spec === 'null') return { kind: 'null' };
    if (spec === 'inherit') return this.#writable(consoleStream(name), false);
    if (spec === 'pipe') {
      const { readable, writable } = this.#pipe();
      this[name] = readable;
      return this.#writable(writable, true);
    }
    if (spec instanceof WritableStream) return this.#writable(spec, false);
    if ('file' in spec) return { kind: 'file', path: spec.file, append: spec.append ?? false };
    return this.#terminal(spec);
  }

  #readable(stream: ReadableStream<Uint8Array>): StdioSource {
    this.transferables.push(stream);
    return { kind: 'readable', stream };
  }

  #writable(stream: WritableStream<Uint8Array>, isPipe: boolean): StdioSource {
    this.transferables.push(stream);
    return { kind: 'writable', stream, isPipe };
  }

  /** The same terminal may be given for several streams; it can be transferred only once. */
  #terminal(terminal: Terminal): StdioSource {
    let index = this.#terminals.indexOf(terminal);
    if (index < 0) {
      index = this.#terminals.push(terminal) - 1;
      const { input, output } = terminal;
      this.terminals.push({ input, output });
      this.transferables.push(input, output);
    }
    return { kind: 'terminal', index };
  }
}

/** Writes whole lines to the page's console. */
function consoleStream(name: 'stdout' | 'stderr'): WritableStream<Uint8Array> {
  const decoder = new TextDecoder();
  const log = name === 'stdout' ? console.log : console.error;
  let rest = '';
  return new WritableStream({
    write(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) log(line);
    },
    close() {
      if (rest !== '') log(rest);
    },
  });
}
