// Names of the host as lisafs has them: well-formed text, in both directions. A name that isn't
// UTF-8 gets through as text, too, so that it can be opened, and above all removed.
//
// A byte that isn't part of UTF-8 is told as a character from U+EF80 (byte 80) to U+EFFF (byte FF),
// as MirBSD has it. Of a name that has such characters itself each byte is told so. Thus there is
// one text for each name, and what is the text of none is refused: two texts are never one file.

import { Buffer } from 'node:buffer';
import { linuxerr } from '../abi/errno.ts';
import { decodeUtf8Strict } from '../lib/text.ts';
import { fromHostBytes, hostBytes, type HostName } from './host-name.ts';

/** The character of a byte is that many more. */
const ESCAPE_OFFSET = 0xef00;
const ESCAPE = /[\uef80-\uefff]/;
const ALL_ESCAPES = /[\uef80-\uefff]/g;

/** The text of a name, of a symbolic link's target, or of an extended attribute's name. */
export function fromHostName(name: HostName): string {
  if (typeof name === 'string') return name.replace(ALL_ESCAPES, escapeAll);
  let text = '';
  for (let at = 0; at < name.length;) {
    const character = characterAt(name, at);
    text += character === undefined ? escape(name[at] ?? 0) : fromHostName(character);
    at += character === undefined ? 1 : Buffer.byteLength(character);
  }
  return text;
}

/** Errors: EILSEQ if it is the text of no name. */
export function toHostName(text: string): HostName {
  if (!ESCAPE.test(text)) return text;
  const parts = Array.from(text, (character) =>
    ESCAPE.test(character)
      ? Buffer.of(character.charCodeAt(0) - ESCAPE_OFFSET)
      : hostBytes(character),
  );
  const name = fromHostBytes(Buffer.concat(parts));
  if (fromHostName(name) !== text) throw linuxerr.EILSEQ;
  return name;
}

function escape(byte: number): string {
  return String.fromCharCode(ESCAPE_OFFSET + byte);
}

function escapeAll(character: string): string {
  return Array.from(hostBytes(character), escape).join('');
}

/** The character that begins there; undefined if none does. */
function characterAt(bytes: Uint8Array, at: number): string | undefined {
  const size = sequenceSize(bytes[at] ?? 0);
  if (size === undefined || at + size > bytes.length) return undefined;
  try {
    return decodeUtf8Strict(bytes.subarray(at, at + size));
  } catch {
    // A TypeError: it isn't UTF-8.
    return undefined;
  }
}

/** By the first byte. */
function sequenceSize(first: number): number | undefined {
  if (first < 0x80) return 1;
  if (first < 0xc0) return undefined;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
