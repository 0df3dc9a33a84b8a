// exportImage: what a view of a store shows, as an image written to a stream.

import { ArchiveError } from '../archive/archive-error.ts';
import { ByteSink } from '../archive/byte-sink.ts';
import { gzip } from '../archive/compression.ts';
import { streamOf } from '../archive/byte-reader.ts';
import { LinuxError } from '../abi/errno.ts';
import { runAsync } from '../lib/op.ts';
import { encodeUtf8 } from '../lib/text.ts';
import { BLOCK_SIZE, type Run } from '../store/store.ts';
import type { StoreView, ViewEntries, ViewEntry } from '../store/store-view.ts';
import {
  BLOCKS_HEADER_SIZE,
  type Checksum,
  FRAME,
  IMAGE_VERSION,
  MAGIC,
  writeFrame,
} from './frames.ts';
import type { ExportImageOptions } from './options.ts';

/** Of a frame of items, in bytes: it is written when it gets larger. */
const ITEMS_SIZE = 1 << 16;
const ENTRIES_AT_ONCE = 1024;
/** Data read at once. */
const READ_SIZE = 1 << 19;

export interface ImageSource {
  readonly view: StoreView;
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly exportedAt: number;
  readonly checksum: Checksum;
}

/**
 * Writes an image to `target`, and closes it; aborts it if that fails. The view stays open.
 *
 * Errors: ArchiveError EIO at what is damaged; the signal's reason; those of `target`.
 */
export async function exportImage(
  from: ImageSource,
  target: WritableStream<Uint8Array>,
  options: ExportImageOptions,
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (options.gzip !== true) {
    await new Exporter(from, new ByteSink(target, signal), options).run();
    return;
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const plain = new ByteSink(writable, signal);
  const compressed = streamOf(gzip(piecesOf(readable))).pipeTo(target);
  const exported = new Exporter(from, plain, options).run();
  // Whichever fails ends the other; its own failure is the one to tell.
  const [first, second] = await Promise.allSettled([exported, compressed]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
}

async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

class Exporter {
  readonly #from: ImageSource;
  readonly #sink: ByteSink;
  readonly #options: ExportImageOptions;
  #items: Uint8Array[] = [];
  #itemsSize = 0;
  #itemCount = 0;
  #dataBytes = 0;

  constructor(from: ImageSource, sink: ByteSink, options: ExportImageOptions) {
    this.#from = from;
    this.#sink = sink;
    this.#options = options;
  }

  async run(): Promise<void> {
    try {
      await this.#sink.write(MAGIC);
      const { source, exportedAt, view } = this.#from;
      const header = JSON.stringify({ version: IMAGE_VERSION, source, exportedAt });
      await this.#write(FRAME.header, encodeUtf8(header));
      for (let from: string | undefined = ''; from !== undefined;) {
        const found: ViewEntries = await runAsync(view.entries(from, ENTRIES_AT_ONCE));
        for (const entry of found.entries) await this.#entry(entry);
        from = found.next;
      }
      await this.#flushItems();
      await this.#write(FRAME.end, twoNumbers(this.#itemCount, this.#dataBytes));
      await this.#sink.close();
    } catch (error) {
      this.#sink.abort(error);
      throw error;
    }
  }

  async #write(kind: number, payload: Uint8Array): Promise<void> {
    this.#options.signal?.throwIfAborted();
    await writeFrame(this.#sink, this.#from.checksum, { kind, payload });
    this.#options.onProgress?.({ bytes: this.#sink.offset });
  }

  async #entry(entry: ViewEntry): Promise<void> {
    if (entry.kind === 'damage') throw unreadable('a part of its names and attributes');
    if (entry.kind === 'data') {
      const { object, offset, length } = entry;
      for (let at = 0; at < length; at += READ_SIZE) {
        await this.#blocks(object, offset + at, Math.min(READ_SIZE, length - at));
      }
      return;
    }
    const bytes = encodeItem(entry.key, entry.value);
    this.#items.push(bytes);
    this.#itemsSize += bytes.length;
    this.#itemCount++;
    if (this.#itemsSize >= ITEMS_SIZE) await this.#flushItems();
  }

  async #flushItems(): Promise<void> {
    if (this.#items.length === 0) return;
    const payload = new Uint8Array(this.#itemsSize);
    let at = 0;
    for (const item of this.#items) {
      payload.set(item, at);
      at += item.length;
    }
    this.#items = [];
    this.#itemsSize = 0;
    await this.#write(FRAME.items, payload);
  }

  async #blocks(object: number, offset: number, length: number): Promise<void> {
    for (const run of await this.#read(object, offset, length)) {
      const payload = new Uint8Array(BLOCKS_HEADER_SIZE + run.bytes.length);
      payload.set(twoNumbers(object, run.offset));
      payload.set(run.bytes, BLOCKS_HEADER_SIZE);
      this.#dataBytes += Math.ceil(run.bytes.length / BLOCK_SIZE) * BLOCK_SIZE;
      await this.#write(FRAME.blocks, payload);
    }
  }

  async #read(object: number, offset: number, length: number): Promise<Run[]> {
    try {
      return await runAsync(this.#from.view.read(object, offset, length));
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      throw unreadable(`inode ${object}, from byte ${offset} on,`);
    }
  }
}

function unreadable(what: string): ArchiveError {
  return new ArchiveError('EIO', `${what} can't be read: check() says more, and repair() may help`);
}

function encodeItem(key: string, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + key.length * 2 + 4 + value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, key.length, true);
  for (let i = 0; i < key.length; i++) view.setUint16(2 + i * 2, key.charCodeAt(i), true);
  const at = 2 + key.length * 2;
  view.setUint32(at, value.length, true);
  bytes.set(value, at + 4);
  return bytes;
}

function twoNumbers(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, first, true);
  view.setFloat64(8, second, true);
  return bytes;
}
