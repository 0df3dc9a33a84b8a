// Exports and imports on the page's side: streams to and from the kernel worker, where archives are
// made and unpacked.

import { proxy, type Remote, transfer } from 'comlink';
import type {
  ArchiveFormat,
  ArchiveSummary,
  ExportOptions,
  ImportOptions,
} from '../src/archive/options.ts';
import { valueOf } from './outcome.ts';
import type { ExportRequest, ImportRequest, KernelService } from './protocol.ts';

/** Calls the kernel worker. Errors: KernelError when it dies or has died. */
export interface KernelCaller {
  call<T>(run: (service: Remote<KernelService>) => Promise<T>): Promise<T>;
}

/** Bytes that go to the kernel worker at once. */
const CHUNK_SIZE_MAX = 1 << 20;

/** What the page's function throws is the page's business. */
export function progressProxy<T>(
  onProgress: ((progress: T) => void) | undefined,
): ((progress: T) => void) | undefined {
  if (onProgress === undefined) return undefined;
  return proxy((progress: T) => {
    try {
      onProgress(progress);
    } catch (error) {
      reportError(error);
    }
  });
}

/** Interrupts `call` when the signal aborts. Errors: the signal's reason takes the place of any. */
export async function interruptibly<T>(
  worker: KernelCaller,
  call: number,
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const interrupt = (): void => {
    void worker.call((service) => service.interrupt(call)).catch(() => undefined);
  };
  signal?.addEventListener('abort', interrupt);
  try {
    return await run();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
  }
}

const FORMATS: readonly string[] = ['tar', 'zip'] satisfies ArchiveFormat[];

/** Errors: TypeError for a format that is none. */
function checkFormat(format: ArchiveFormat): void {
  if (!FORMATS.includes(format)) throw new TypeError(`unknown archive format: '${format}'`);
}

export function exportArchive(
  worker: KernelCaller,
  call: number,
  path: string,
  options: ExportOptions,
): ReadableStream<Uint8Array> {
  checkFormat(options.format);
  const { format, signal } = options;
  return exportStream({ worker, call, signal }, async (target) => {
    const request: ExportRequest = { call, path, format, target };
    const onProgress = progressProxy(options.onProgress);
    const outcome = await worker.call((service) =>
      service.exportArchive(transfer(request, [target]), onProgress),
    );
    valueOf(outcome, 'exportArchive', path);
  });
}

interface StreamCall {
  readonly worker: KernelCaller;
  readonly call: number;
  readonly signal: AbortSignal | undefined;
}

/** Resolves when the kernel has written all to `target`. */
type StartExport = (target: WritableStream<Uint8Array>) => Promise<void>;

/** A stream of what the kernel writes, which begins when it is first read. */
export function exportStream(call: StreamCall, start: StartExport): ReadableStream<Uint8Array> {
  let running: Export | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        running ??= new Export(call, start);
        const chunk = await running.next();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      async cancel(reason) {
        await running?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

class Export {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Rejects with what is to be told of a failure. */
  readonly #ended: Promise<void>;

  constructor({ worker, call, signal }: StreamCall, start: StartExport) {
    let fail: (reason: unknown) => void = () => undefined;
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      start(controller) {
        fail = (reason) => {
          controller.error(reason);
        };
      },
    });
    this.#reader = readable.getReader();
    this.#ended = interruptibly(worker, call, signal, () => start(writable));
    // When the kernel has died, nobody else ends the stream.
    this.#ended.catch(fail);
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#reader.read();
      if (!done) return value;
    } catch (error) {
      // The stream's error is a copy from the other thread.
      await this.#ended;
      throw error;
    }
    await this.#ended;
    return undefined;
  }

  /** Resolves when the kernel has stopped as well. */
  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason);
    await this.#ended.catch(() => undefined);
  }
}

export async function importArchive(
  worker: KernelCaller,
  call: number,
  path: string,
  options: ImportOptions & { readonly source: StreamSource },
): Promise<ArchiveSummary> {
  const { format, preserveOwner = true, signal } = options;
  signal?.throwIfAborted();
  if (format !== undefined) checkFormat(format);
  const onProgress = progressProxy(options.onProgress);
  return await importStream(
    { worker, call, signal },
    options.source,
    async (source, transferred) => {
      const request: ImportRequest = { call, path, source, format, preserveOwner };
      const outcome = await worker.call((service) =>
        service.importArchive(transfer(request, transferred), onProgress),
      );
      return valueOf(outcome, 'importArchive', path);
    },
  );
}

export type StreamSource = ReadableStream<Uint8Array> | Blob | Uint8Array;

/** Gives the kernel what the page has. Errors: the source's own; else those of `start`. */
export async function importStream<T>(
  { worker, call, signal }: StreamCall,
  source: StreamSource,
  start: (source: ReadableStream<Uint8Array> | Blob, transferred: Transferable[]) => Promise<T>,
): Promise<T> {
  const relay = source instanceof ReadableStream ? new Relay(source) : undefined;
  const from = relay?.stream ?? blobOf(source as Blob | Uint8Array);
  return await interruptibly(worker, call, signal, async () => {
    try {
      return await start(from, relay === undefined ? [] : [relay.stream]);
    } catch (error) {
      throw relay?.end(error) ?? error;
    }
  });
}

/** The browser keeps blobs out of both threads' memory, and they can be read at any place. */
function blobOf(source: Blob | Uint8Array): Blob {
  if (source instanceof Blob) return source;
  return new Blob([source.buffer instanceof ArrayBuffer ? source : source.slice()] as BlobPart[]);
}

/** A stream on its way to the kernel, which learns nothing of its errors but that there was one. */
class Relay {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #failure: { readonly error: unknown } | undefined;

  constructor(source: ReadableStream<Uint8Array>) {
    this.#reader = source.getReader();
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => this.#reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#rest.length === 0) {
      const result = await this.#read();
      if (result.done) {
        controller.close();
        return;
      }
      this.#rest = result.value;
    }
    controller.enqueue(this.#rest.slice(0, CHUNK_SIZE_MAX));
    this.#rest = this.#rest.subarray(CHUNK_SIZE_MAX);
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    try {
      const result = await this.#reader.read();
      if (!result.done && !(result.value instanceof Uint8Array)) {
        throw new TypeError('an archive is a stream of Uint8Arrays');
      }
      return result;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Lets go of the source after a failure of the import. Returns the source's own, if any. */
  end(reason: unknown): unknown {
    void this.#reader.cancel(reason).catch(() => undefined);
    return this.#failure?.error;
  }
}
