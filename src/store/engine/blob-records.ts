// Records of IndexedDB that are blobs, where the browser keeps large values as blobs anyway.
//
// Chromium makes a blob of every value above 64 KiB: of bytes it does so after it has serialized
// and compressed them, and reading takes the same way back. Given a blob, it does neither.
//
// As long as a Blob is there, so is what it stands for: memory of the browser's, or a file that no
// longer belongs to anything. It goes when its memory is collected, and of a worker that has little
// garbage that may be never. So their bytes are counted, and now and then there is much garbage.
//
// A blob is read whole. Of Blob.slice(), Chromium 156 now and then says "Bad blob references in
// BlobRegistry::Register", and ends the page.

import { collectGarbage } from '../../lib/garbage.ts';

/** Shorter values are kept with their keys. */
const BLOB_SIZE_MIN = 64 * 1024;
/** So many bytes of blobs wait to be collected. */
const UNCOLLECTED_MAX = 64 << 20;

export class BlobRecords {
  readonly #isPreferred: boolean;
  /** Bytes of blobs that have come up since memory was collected last. */
  #uncollected = 0;
  #isUsed = false;

  /** `isPreferred`: whether large values are written as blobs. They are read either way. */
  constructor(isPreferred: boolean) {
    this.#isPreferred = isPreferred;
  }

  /** What is put for `bytes`, which are copied, now or by the put. */
  make(bytes: Uint8Array): Uint8Array | Blob {
    if (!this.#isPreferred || bytes.length < BLOB_SIZE_MIN) return bytes;
    this.#count(bytes.length);
    return new Blob([bytes as Uint8Array<ArrayBuffer>]);
  }

  /**
   * The bytes of a record; undefined if it has none. Fails if the browser can't read them, be it
   * for want of memory: that is no damage.
   */
  async bytesOf(record: unknown): Promise<Uint8Array | undefined> {
    if (record instanceof Uint8Array) return record;
    if (!(record instanceof Blob)) return undefined;
    this.#count(record.size);
    return new Uint8Array(await record.arrayBuffer());
  }

  #count(bytes: number): void {
    this.#isUsed = true;
    this.#uncollected += bytes;
  }

  /** To be called where blobs that were used are used no longer. Returns as collect(). */
  settle(): number {
    return this.#uncollected >= UNCOLLECTED_MAX ? this.collect() : 0;
  }

  /** Has the blobs collected that nobody uses. Returns as collectGarbage(). */
  collect(): number {
    if (!this.#isUsed) return 0;
    this.#uncollected = 0;
    return collectGarbage();
  }
}
