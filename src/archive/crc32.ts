// CRC-32 as zip and gzip have it, eight bytes at a time. ISO 3309; zlib: crc32.c.

const POLYNOMIAL = 0xedb88320;
const SLICES = 8;

/** Table n: what a byte contributes n bytes before the end. */
const tables: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    return crc;
  });
  const all = [first];
  while (all.length < SLICES) {
    const last = all[all.length - 1] ?? first;
    all.push(last.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] ?? 0)));
  }
  return all;
}

/** The checksum of what had the checksum `crc`, followed by `bytes`. That of nothing is 0. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as unknown as EightTables;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = ~crc;
  let at = 0;
  for (; at + SLICES <= bytes.length; at += SLICES) {
    const low = view.getUint32(at, true) ^ sum;
    const high = view.getUint32(at + 4, true);
    sum =
      entry(t7, low) ^
      entry(t6, low >>> 8) ^
      entry(t5, low >>> 16) ^
      entry(t4, low >>> 24) ^
      entry(t3, high) ^
      entry(t2, high >>> 8) ^
      entry(t1, high >>> 16) ^
      entry(t0, high >>> 24);
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ entry(t0, sum ^ view.getUint8(at));
  return ~sum >>> 0;
}

type EightTables = readonly [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function entry(table: Uint32Array, byte: number): number {
  return table[byte & 0xff] ?? 0;
}
