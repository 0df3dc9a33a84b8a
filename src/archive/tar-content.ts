// The content of a tar archive's entry: as it is, or, for a file with holes, the parts that are
// none, behind a map of where they belong. GNU tar: src/sparse.c; its manual, "Sparse Formats".

import { decodeUtf8 } from '../lib/text.ts';
import { damaged } from './archive-error.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Piece } from './entry.ts';
import type { PaxRecords } from './pax-records.ts';
import { BLOCK_SIZE, parseNumber, TYPEFLAG } from './tar-header.ts';

/** Parts of one file that are no holes; an archive with more is refused. */
const PARTS_MAX = 1 << 17;

/** In the oldest format the map begins in the header and goes on in blocks of its own. */
const OLD_MAP = { header: [386, 4], block: [0, 21] } as const;
const OLD_IS_EXTENDED = { header: 482, block: 504 } as const;
const OLD_REAL_SIZE = [483, 12] as const;
const OLD_NUMBER_SIZE = 12;

interface Part {
  readonly offset: number;
  readonly size: number;
}

export interface ContentOptions {
  /** The header block. */
  readonly block: Uint8Array;
  readonly typeflag: string;
  readonly records: PaxRecords;
  /** Bytes in the archive, without padding. */
  readonly stored: number;
  /** The entry, in messages. */
  readonly what: string;
}

export class Content {
  /** Bytes of the file, its holes included. */
  readonly size: number;
  readonly #reader: ByteReader;
  readonly #options: ContentOptions;
  /** Bytes that have yet to be read. */
  #left: number;
  readonly #padding: number;
  #isBegun = false;

  constructor(reader: ByteReader, options: ContentOptions) {
    this.#reader = reader;
    this.#options = options;
    const { stored } = options;
    this.#left = stored;
    this.#padding = (BLOCK_SIZE - (stored % BLOCK_SIZE)) % BLOCK_SIZE;
    this.size = this.#realSize() ?? stored;
  }

  get #isOldSparse(): boolean {
    return this.#options.typeflag === TYPEFLAG.gnuSparse;
  }

  /** Of a file with holes. */
  #realSize(): number | undefined {
    if (this.#isOldSparse) {
      const [offset, size] = OLD_REAL_SIZE;
      return this.#checked(parseNumber(this.#options.block.subarray(offset, offset + size)));
    }
    const text = this.#text('GNU.sparse.realsize') ?? this.#text('GNU.sparse.size');
    return text === undefined ? undefined : this.#parse(text);
  }

  async *pieces(): AsyncGenerator<Piece> {
    const parts = await this.#begin();
    for (const { offset: start, size } of parts) {
      let offset = start;
      for await (const bytes of this.#reader.pieces(size, this.#options.what)) {
        this.#left -= bytes.length;
        yield { offset, bytes };
        offset += bytes.length;
      }
    }
  }

  async skip(): Promise<void> {
    if (!this.#isBegun) await this.#begin();
    await this.#reader.skip(this.#left + this.#padding, this.#options.what);
  }

  /** Reads the map, if there is one. */
  async #begin(): Promise<Part[]> {
    this.#isBegun = true;
    const map = this.#text('GNU.sparse.map');
    let parts: Part[];
    if (this.#isOldSparse) parts = await this.#oldMap();
    else if (this.#text('GNU.sparse.major') === '1') parts = await this.#mapInData();
    else if (map === undefined) return [{ offset: 0, size: this.#left }];
    else parts = this.#partsOf(map.split(',').map((text) => this.#parse(text)));
    this.#check(parts);
    return parts;
  }

  async #oldMap(): Promise<Part[]> {
    const numbers = this.#oldNumbers(this.#options.block, OLD_MAP.header);
    let isExtended = this.#options.block[OLD_IS_EXTENDED.header] !== 0;
    while (isExtended) {
      const block = await this.#reader.readExactly(BLOCK_SIZE, this.#options.what);
      numbers.push(...this.#oldNumbers(block, OLD_MAP.block));
      if (numbers.length > 2 * PARTS_MAX) this.#fail();
      isExtended = block[OLD_IS_EXTENDED.block] !== 0;
    }
    return this.#partsOf(numbers);
  }

  #oldNumbers(block: Uint8Array, [start, count]: readonly [number, number]): number[] {
    return Array.from({ length: 2 * count }, (_, index) => {
      const at = start + index * OLD_NUMBER_SIZE;
      return this.#checked(parseNumber(block.subarray(at, at + OLD_NUMBER_SIZE)));
    });
  }

  /** The map is decimal numbers, a line each: how many parts, and the parts. */
  async #mapInData(): Promise<Part[]> {
    const numbers: number[] = [];
    let text = '';
    while (numbers.length === 0 || numbers.length < 1 + 2 * (numbers[0] ?? 0)) {
      if (this.#left < BLOCK_SIZE) this.#fail();
      text += decodeUtf8(await this.#reader.readExactly(BLOCK_SIZE, this.#options.what));
      this.#left -= BLOCK_SIZE;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if (numbers.length < 1 + 2 * (numbers[0] ?? 0)) numbers.push(this.#parse(line));
      }
      if ((numbers[0] ?? 0) > PARTS_MAX) this.#fail();
    }
    return this.#partsOf(numbers.slice(1));
  }

  #partsOf(numbers: readonly number[]): Part[] {
    const parts: Part[] = [];
    for (let index = 0; index + 1 < numbers.length; index += 2) {
      parts.push({ offset: numbers[index] ?? 0, size: numbers[index + 1] ?? 0 });
    }
    return parts.filter(({ size }) => size > 0);
  }

  /** The parts lie one behind the other within the file, and make up what is stored. */
  #check(parts: readonly Part[]): void {
    let end = 0;
    let sum = 0;
    for (const { offset, size } of parts) {
      if (offset < end) this.#fail();
      end = offset + size;
      sum += size;
    }
    if (end > this.size || sum !== this.#left) this.#fail();
  }

  #text(keyword: string): string | undefined {
    const value = this.#options.records.get(keyword);
    return value === undefined ? undefined : decodeUtf8(value);
  }

  #parse(text: string): number {
    return this.#checked(/^\d+$/.test(text) ? Number(text) : undefined);
  }

  #checked(value: number | undefined): number {
    return value !== undefined && value >= 0 && Number.isSafeInteger(value) ? value : this.#fail();
  }

  #fail(): never {
    throw damaged(`${this.#options.what} has a damaged map of its holes`);
  }
}
