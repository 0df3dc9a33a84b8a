// A reader and a writer of tar archives, enough for npm's tarballs and the resources in them.
//
// Reads ustar with GNU long names and pax `path` records; other entries than files are passed over.
// Writes plain ustar with a zero time, so that equal content makes equal bytes.

const BLOCK = 512;

const text = (block, start, length) => {
  const end = block.indexOf(0, start);
  return block.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
};

/** The `path` of a pax header ("<length> path=<value>\n" records), if it has one. */
const paxPath = (data) => {
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, space));
    if (!(length > 0)) return undefined;
    const record = data.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) return record.slice('path='.length);
    at += length;
  }
  return undefined;
};

/**
 * The regular files of an archive, in order: { path, data, mode }.
 *
 * @param {Buffer} archive
 * @returns {Generator<{ path: string, data: Buffer, mode: number }>}
 */
export function* readTar(archive) {
  let longName;
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const size = parseInt(text(header, 124, 12), 8) || 0;
    const data = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) throw new Error(`archive ends within an entry of ${size} bytes`);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[156] || 0x30);
    if (type === 'L') longName = text(data, 0, size);
    else if (type === 'x') longName = paxPath(data) ?? longName;
    else {
      const prefix = text(header, 345, 155);
      const name = text(header, 0, 100);
      const path = longName ?? (prefix === '' ? name : `${prefix}/${name}`);
      longName = undefined;
      if (type === '0') yield { path, data, mode: parseInt(text(header, 100, 8), 8) & 0o777 };
    }
  }
}

/** A name split as ustar wants it: at most 100 bytes after a prefix of at most 155. */
const splitName = (path) => {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const rest = path.slice(at + 1);
    if (at <= 155 && Buffer.byteLength(rest) <= 100) return [path.slice(0, at), rest];
  }
  throw new Error(`name too long for a tar archive: ${path}`);
};

/**
 * An archive of these files, each with mode 0644.
 *
 * @param {Iterable<{ path: string, data: Buffer }>} files
 * @returns {Buffer}
 */
export function writeTar(files) {
  const parts = [];
  for (const { path, data } of files) {
    const header = Buffer.alloc(BLOCK);
    const [prefix, name] = splitName(path);
    const octal = (value, width) => value.toString(8).padStart(width - 1, '0') + '\0';
    header.write(name, 0);
    header.write(octal(0o644, 8) + octal(0, 8) + octal(0, 8), 100);
    header.write(octal(data.length, 12) + octal(0, 12) + ' '.repeat(8), 124);
    header.write('0', 156);
    header.write('ustar\u000000', 257);
    header.write(prefix, 345);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(sum.toString(8).padStart(6, '0') + '\0 ', 148);
    parts.push(header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}
