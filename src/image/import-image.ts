// importImage: puts what an image says in place of all that a store holds.

import { damaged } from '../archive/archive-error.ts';
import { ByteReader, streamOf } from '../archive/byte-reader.ts';
import { gunzip } from '../archive/compression.ts';
import { runAsync } from '../lib/op.ts';
import { decodeUtf8 } from '../lib/text.ts';
import { INTERNAL_PREFIX } from '../store/preconditions.ts';
import { BLOCK_SIZE, ITEM_KEY_MAX, ITEM_VALUE_MAX, type Run, type Store } from '../store/store.ts';
import type { Replacement } from '../store/store-view.ts';
import {
  BLOCKS_HEADER_SIZE,
  type Checksum,
  FRAME,
  IMAGE_VERSION,
  MAGIC,
  readFrame,
} from './frames.ts';
import type { ImageSummary, ImportImageOptions } from './options.ts';

/** What is put into the store at once, in bytes. */
const BATCH_SIZE = 4 << 20;

/**
 * Reads an image, which may be compressed with gzip, to its end, and closes the store: what is in
 * it is then the image's. If it fails, the store is open and as it was.
 *
 * Errors: ArchiveError EINVAL for what is wrong with the image; ENOSPC, EIO of the store; the
 * signal's reason; those of the stream.
 */
export async function importImage(
  store: Store,
  stream: ReadableStream<Uint8Array>,
  options: ImportImageOptions & { readonly checksum: Checksum },
): Promise<ImageSummary> {
  const { signal } = options;
  const outer = new ByteReader(stream, signal);
  let replacement: Replacement | undefined;
  try {
    const magic = await outer.peek(2);
    const isCompressed = magic[0] === 0x1f && magic[1] === 0x8b;
    const plain = isCompressed ? streamOf(gunzip(outer.rest(), 'the image')) : undefined;
    const reader = plain === undefined ? outer : new ByteReader(plain, signal);
    const header = await readHeader(reader, options.checksum);
    replacement = await runAsync(store.replace());
    const importer = new Importer(reader, replacement, options);
    const totals = await importer.run();
    signal?.throwIfAborted();
    await runAsync(replacement.finish());
    return { ...header, ...totals };
  } catch (error) {
    if (replacement !== undefined) {
      replacement.abort();
      // What was put there already gives its place back.
      const nothing = { items: new Map<string, Uint8Array>(), discards: [], writes: [] };
      await runAsync(store.commit(nothing, { durability: 'relaxed' })).catch(() => undefined);
    }
    throw error;
  } finally {
    await outer.close();
  }
}

/** Errors: ArchiveError if it is no image, or one of a later version. */
async function readHeader(
  reader: ByteReader,
  checksum: Checksum,
): Promise<{ source: string; exportedAt: number }> {
  const magic = await reader.read(MAGIC.length);
  const isImage = magic.length === MAGIC.length && magic.every((byte, i) => byte === MAGIC[i]);
  if (!isImage) throw damaged('this is no image of a filesystem');
  const { kind, payload } = await readFrame(reader, checksum);
  if (kind !== FRAME.header) throw damaged('the image has no header');
  const header = parseObject(decodeUtf8(payload));
  const { version, source, exportedAt } = header;
  if (version !== IMAGE_VERSION) {
    throw damaged(`the image is of version ${String(version)}, and this reads ${IMAGE_VERSION}`);
  }
  if (typeof source !== 'string' || typeof exportedAt !== 'number') {
    throw damaged('the header of the image makes no sense');
  }
  return { source, exportedAt };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Said below.
  }
  throw damaged('the header of the image makes no sense');
}

class Importer {
  readonly #reader: ByteReader;
  readonly #replacement: Replacement;
  readonly #options: ImportImageOptions & { readonly checksum: Checksum };
  #items = new Map<string, Uint8Array>();
  #writes: { object: number; run: Run }[] = [];
  #batchSize = 0;
  #itemCount = 0;
  #dataBytes = 0;
  #bytes = MAGIC.length;

  constructor(
    reader: ByteReader,
    replacement: Replacement,
    options: ImportImageOptions & { readonly checksum: Checksum },
  ) {
    this.#reader = reader;
    this.#replacement = replacement;
    this.#options = options;
  }

  async run(): Promise<{ items: number; dataBytes: number }> {
    for (;;) {
      const { kind, payload } = await readFrame(this.#reader, this.#options.checksum);
      this.#bytes += payload.length;
      if (kind === FRAME.end) {
        this.#checkEnd(payload);
        break;
      }
      if (kind === FRAME.items) this.#takeItems(payload);
      else if (kind === FRAME.blocks) this.#takeBlocks(payload);
      else throw damaged(`the image has a part of an unknown kind: ${kind}`);
      this.#batchSize += payload.length;
      if (this.#batchSize >= BATCH_SIZE) await this.#put();
    }
    if ((await this.#reader.readSome(1)).length > 0)
      throw damaged('the image goes on after its end');
    await this.#put();
    return { items: this.#itemCount, dataBytes: this.#dataBytes };
  }

  async #put(): Promise<void> {
    const batch = { items: this.#items, discards: [], writes: this.#writes };
    this.#items = new Map();
    this.#writes = [];
    this.#batchSize = 0;
    await runAsync(this.#replacement.put(batch));
    this.#options.onProgress?.({ bytes: this.#bytes });
  }

  #takeItems(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    let at = 0;
    const has = (size: number): void => {
      if (at + size > payload.length) throw damaged('an item of the image is cut off');
    };
    while (at < payload.length) {
      has(2);
      const units = view.getUint16(at, true);
      at += 2;
      has(units * 2 + 4);
      let key = '';
      for (let i = 0; i < units; i++) key += String.fromCharCode(view.getUint16(at + i * 2, true));
      at += units * 2;
      const size = view.getUint32(at, true);
      at += 4;
      has(size);
      checkItem(key, size);
      this.#items.set(key, payload.subarray(at, at + size));
      this.#itemCount++;
      at += size;
    }
  }

  #takeBlocks(payload: Uint8Array): void {
    if (payload.length <= BLOCKS_HEADER_SIZE) throw damaged('data in the image is cut off');
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const [object, offset] = [view.getFloat64(0, true), view.getFloat64(8, true)];
    const isPlace =
      Number.isSafeInteger(object) &&
      object >= 0 &&
      Number.isSafeInteger(offset) &&
      offset >= 0 &&
      offset % BLOCK_SIZE === 0;
    if (!isPlace) throw damaged('data in the image has no place');
    const bytes = payload.subarray(BLOCKS_HEADER_SIZE);
    // Two runs of one object may not overlap within a batch, and in an image never do.
    const last = this.#writes.at(-1);
    if (last?.object === object && offset < last.run.offset + last.run.bytes.length) {
      throw damaged('data in the image overlaps');
    }
    if (last !== undefined && last.object > object) throw damaged('the image is not in order');
    this.#writes.push({ object, run: { offset, bytes } });
    this.#dataBytes += Math.ceil(bytes.length / BLOCK_SIZE) * BLOCK_SIZE;
  }

  #checkEnd(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (payload.length < 16) throw damaged('the end of the image is cut off');
    const [items, dataBytes] = [view.getFloat64(0, true), view.getFloat64(8, true)];
    if (items === this.#itemCount && dataBytes === this.#dataBytes) return;
    throw damaged('parts of the image are missing');
  }
}

/** Errors: ArchiveError for what a store would not take. */
function checkItem(key: string, size: number): void {
  const isKey = key.length <= ITEM_KEY_MAX && key < INTERNAL_PREFIX && key.charCodeAt(4) !== 0;
  if (!isKey || size > ITEM_VALUE_MAX) throw damaged('an item of the image makes no sense');
}
