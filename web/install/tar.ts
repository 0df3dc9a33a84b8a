// Reads a tar archive from a stream: regular files and directories with ustar names, which is what
// .tools/tar.mjs writes. Anything else is an error rather than a file with a wrong name.
// Format: POSIX pax, "ustar Interchange Format".

export interface TarEntry {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly mode: number;
  readonly data: Uint8Array;
}

const BLOCK_SIZE = 512;
const TYPE_REGULAR = '0';
const TYPE_DIRECTORY = '5';

/** The fields of a header: name, offset and size. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  size: [124, 12],
  type: [156, 1],
  magic: [257, 5],
  prefix: [345, 155],
} as const;

/** The entries of an archive, in order. Errors: Error if it is damaged or uses what is not read. */
export async function* readTar(stream: ReadableStream<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = new BlockReader(stream);
  for (;;) {
    const header = await source.read(BLOCK_SIZE);
    if (header.every((byte) => byte === 0)) break;
    if (field(header, 'magic') !== 'ustar') throw new Error('the archive is damaged');
    const type = field(header, 'type');
    if (type !== TYPE_REGULAR && type !== TYPE_DIRECTORY) {
      throw new Error(`the archive holds an entry of type “${type}”, which is not supported`);
    }
    const size = octal(header, 'size');
    const data = await source.read(size);
    await source.read((BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE);
    const prefix = field(header, 'prefix');
    const name = field(header, 'name');
    yield {
      path: safePath(prefix === '' ? name : `${prefix}/${name}`),
      isDirectory: type === TYPE_DIRECTORY,
      mode: octal(header, 'mode') & 0o777,
      data,
    };
  }
  await source.cancel();
}

function field(header: Uint8Array, name: keyof typeof FIELDS): string {
  const [start, size] = FIELDS[name];
  const bytes = header.subarray(start, start + size);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(header: Uint8Array, name: keyof typeof FIELDS): number {
  const text = field(header, name).trim();
  if (!/^[0-7]+$/.test(text)) throw new Error('the archive is damaged');
  return parseInt(text, 8);
}

/** A path that stays below where the archive is unpacked. */
function safePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || parts.length === 0) {
    throw new Error(`the archive holds the path “${path}”, which is not allowed`);
  }
  return parts.join('/');
}

/** Gives a stream's bytes in the sizes that are asked for. */
class BlockReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async read(size: number): Promise<Uint8Array> {
    const result = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      if (this.#chunk.byteLength === 0) {
        const { done, value } = await this.#reader.read();
        if (done) throw new Error('the archive ends too early');
        this.#chunk = value;
      }
      const piece = this.#chunk.subarray(0, size - filled);
      result.set(piece, filled);
      filled += piece.byteLength;
      this.#chunk = this.#chunk.subarray(piece.byteLength);
    }
    return result;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}
