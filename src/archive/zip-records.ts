// The records of a zip archive: one table each, in field order. PKWARE: APPNOTE.TXT, 4.3 to 4.5.

import { RecordCodec } from '../lib/record.ts';

export const SIGNATURE = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
} as const;

export const localHeader = new RecordCodec([
  ['signature', 'u32'],
  ['versionNeeded', 'u16'],
  ['flags', 'u16'],
  ['method', 'u16'],
  ['time', 'u16'],
  ['date', 'u16'],
  ['crc', 'u32'],
  ['compressedSize', 'u32'],
  ['size', 'u32'],
  ['nameSize', 'u16'],
  ['extraSize', 'u16'],
]);

/** Behind an entry whose sizes were not known before. */
export const descriptor = new RecordCodec([
  ['signature', 'u32'],
  ['crc', 'u32'],
  ['compressedSize', 'u32'],
  ['size', 'u32'],
]);

export const descriptor64 = new RecordCodec([
  ['signature', 'u32'],
  ['crc', 'u32'],
  ['compressedSize', 'u64'],
  ['size', 'u64'],
]);

export const centralHeader = new RecordCodec([
  ['signature', 'u32'],
  ['versionMadeBy', 'u16'],
  ['versionNeeded', 'u16'],
  ['flags', 'u16'],
  ['method', 'u16'],
  ['time', 'u16'],
  ['date', 'u16'],
  ['crc', 'u32'],
  ['compressedSize', 'u32'],
  ['size', 'u32'],
  ['nameSize', 'u16'],
  ['extraSize', 'u16'],
  ['commentSize', 'u16'],
  ['disk', 'u16'],
  ['internalAttributes', 'u16'],
  ['externalAttributes', 'u32'],
  ['offset', 'u32'],
]);

export const endRecord = new RecordCodec([
  ['signature', 'u32'],
  ['disk', 'u16'],
  ['centralDisk', 'u16'],
  ['diskEntries', 'u16'],
  ['entries', 'u16'],
  ['centralSize', 'u32'],
  ['centralOffset', 'u32'],
  ['commentSize', 'u16'],
]);

export const endRecord64 = new RecordCodec([
  ['signature', 'u32'],
  /** Of what follows in this record. */
  ['recordSize', 'u64'],
  ['versionMadeBy', 'u16'],
  ['versionNeeded', 'u16'],
  ['disk', 'u32'],
  ['centralDisk', 'u32'],
  ['diskEntries', 'u64'],
  ['entries', 'u64'],
  ['centralSize', 'u64'],
  ['centralOffset', 'u64'],
]);

export const locator64 = new RecordCodec([
  ['signature', 'u32'],
  ['endDisk', 'u32'],
  ['endOffset', 'u64'],
  ['disks', 'u32'],
]);

/** In front of each extra field. */
export const extraHeader = new RecordCodec([
  ['id', 'u16'],
  ['size', 'u16'],
]);

/** Info-ZIP's extended timestamp, with the time of modification alone. */
export const timestamp = new RecordCodec([
  ['flags', 'u8'],
  /** Seconds since 1970, a signed number. */
  ['mtime', 'u32'],
]);

export const EXTRA = {
  zip64: 0x0001,
  timestamp: 0x5455,
  /** Info-ZIP: the name as UTF-8, with a checksum of the one in the header. */
  unicodePath: 0x7075,
} as const;

export const FLAG = {
  encrypted: 0x0001,
  descriptor: 0x0008,
  patched: 0x0020,
  utf8: 0x0800,
} as const;

export const METHOD = { stored: 0, deflated: 8 } as const;

/** Upper byte of versionMadeBy: whose attributes an entry has. */
export const HOST = { dos: 0, unix: 3, darwin: 19 } as const;

export const VERSION = { plain: 20, zip64: 45 } as const;

/** In a field of 16 or 32 bits: the number is in zip64's record or extra field. */
export const MAX_16 = 0xffff;
export const MAX_32 = 0xffff_ffff;

export const DOS_DIRECTORY = 0x10;
export const DOS_READ_ONLY = 0x01;
export const TIMESTAMP_MTIME = 1;

/** Extra field id → its data; undefined if one is larger than its room. */
export function decodeExtra(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const fields = new Map<number, Uint8Array>();
  let rest = bytes;
  for (;;) {
    const header = extraHeader.decode(rest);
    // Some pad with a few zeros.
    if (header === undefined) return fields;
    const { id, size } = header.values;
    if (size > header.rest.length) return undefined;
    fields.set(id, header.rest.subarray(0, size));
    rest = header.rest.subarray(size);
  }
}
