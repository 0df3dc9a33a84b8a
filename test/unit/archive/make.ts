// Archives that no tool would make, for tests: byte by byte.

import { encodeRecords } from '../../../src/archive/pax-records.ts';
import { encodeHeader, type TarHeader, TYPEFLAG } from '../../../src/archive/tar-header.ts';
import {
  centralHeader,
  endRecord,
  HOST,
  localHeader,
  SIGNATURE,
} from '../../../src/archive/zip-records.ts';
import { crc32 } from '../../../src/archive/crc32.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';

type Tarred = Partial<TarHeader> & {
  readonly name: string;
  readonly data?: string;
  readonly pax?: Readonly<Record<string, string>>;
};

export function file(name: string, data: string, more: Partial<TarHeader> = {}): Tarred {
  return { name, data, typeflag: TYPEFLAG.file, ...more };
}

export function directory(name: string, mode = 0o755): Tarred {
  return { name: `${name}/`, mode, typeflag: TYPEFLAG.directory };
}

export function symlink(name: string, linkname: string): Tarred {
  return { name, linkname, typeflag: TYPEFLAG.symlink };
}

export function hardLink(name: string, linkname: string): Tarred {
  return { name, linkname, typeflag: TYPEFLAG.link };
}

/** A tar archive of entries; without its end if `isOpen`. */
export function tarOf(
  entries: readonly Tarred[],
  { isOpen = false }: { isOpen?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => [...paxOf(entry), ...blocksOf(entry)]);
  return joined(isOpen ? parts : [...parts, new Uint8Array(1024)]);
}

function paxOf({ name, pax }: Tarred): Uint8Array[] {
  if (pax === undefined) return [];
  const records = new Map(Object.entries(pax).map(([key, text]) => [key, encodeUtf8(text)]));
  const data = new TextDecoder().decode(encodeRecords(records));
  return blocksOf({ name: `pax/${name}`, data, typeflag: TYPEFLAG.extended });
}

function blocksOf({ data = '', ...header }: Tarred): Uint8Array[] {
  const bytes = encodeUtf8(data);
  const block = encodeHeader({
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: 1_000_000_000,
    typeflag: TYPEFLAG.file,
    linkname: '',
    devmajor: 0,
    devminor: 0,
    ...header,
  });
  return [block, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
}

export interface Zipped {
  readonly name: string;
  readonly data: string;
  /** With the type. */
  readonly mode?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly size?: number;
}

/** A zip archive of entries that are stored as they are. */
export function zipOf(entries: readonly Zipped[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = encodeUtf8(entry.name);
    const data = encodeUtf8(entry.data);
    const common = {
      versionNeeded: 20,
      flags: entry.flags ?? 0,
      method: entry.method ?? 0,
      time: 0,
      date: 0x21,
      crc: entry.crc ?? crc32(data),
      compressedSize: data.length,
      size: entry.size ?? data.length,
      nameSize: name.length,
      extraSize: 0,
    };
    const local = localHeader.encode({ signature: SIGNATURE.local, ...common });
    parts.push(local, name, data);
    const header = centralHeader.encode({
      signature: SIGNATURE.central,
      versionMadeBy: HOST.unix << 8,
      ...common,
      commentSize: 0,
      disk: 0,
      internalAttributes: 0,
      externalAttributes: ((entry.mode ?? 0o100644) << 16) >>> 0,
      offset,
    });
    central.push(header, name);
    offset += local.length + name.length + data.length;
  }
  const end = endRecord.encode({
    signature: SIGNATURE.end,
    disk: 0,
    centralDisk: 0,
    diskEntries: entries.length,
    entries: entries.length,
    centralSize: joined(central).length,
    centralOffset: offset,
    commentSize: 0,
  });
  return joined([...parts, ...central, end]);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
