// Names in zip archives: UTF-8 if the entry says so, or if they are; else code page 437, as zip's
// specification has it.

import { decodeUtf8, decodeUtf8Strict } from '../lib/text.ts';
import { crc32 } from './crc32.ts';
import { HOST } from './zip-records.ts';

/** Code page 437 from 0x80 on. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** In front of the name: a version, and the checksum of the name in the header. */
const UNICODE_PATH_VERSION = 1;
const UNICODE_PATH_HEADER_SIZE = 5;

export function decodeZipName(
  bytes: Uint8Array,
  how: {
    readonly isUtf8: boolean;
    readonly unicodePath: Uint8Array | undefined;
    readonly host: number;
  },
): string {
  const name = unicodeName(bytes, how.unicodePath) ?? plainName(bytes, how.isUtf8);
  // Some programs for Windows write its own separators.
  return how.host === HOST.dos && !name.includes('/') ? name.replaceAll('\\', '/') : name;
}

/** The name of Info-ZIP's field, if it belongs to the one in the header. */
function unicodeName(bytes: Uint8Array, field: Uint8Array | undefined): string | undefined {
  if (field === undefined || field.length < UNICODE_PATH_HEADER_SIZE) return undefined;
  const view = new DataView(field.buffer, field.byteOffset, field.length);
  if (view.getUint8(0) !== UNICODE_PATH_VERSION) return undefined;
  if (view.getUint32(1, true) !== crc32(bytes)) return undefined;
  return decodeUtf8(field.subarray(UNICODE_PATH_HEADER_SIZE));
}

function plainName(bytes: Uint8Array, isUtf8: boolean): string {
  if (isUtf8) return decodeUtf8(bytes);
  try {
    return decodeUtf8Strict(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return Array.from(bytes, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : (CP437[byte - 0x80] ?? ''),
    ).join('');
  }
}
