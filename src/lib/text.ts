// Text as bytes: UTF-8 lengths and conversions.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Up to here a loop is faster: each call of the encoder costs more than a microsecond in Chromium.
 */
const LOOP_MAX = 256;
/** The same of the decoder: names are mostly shorter. */
const DECODE_LOOP_MAX = 64;

/** Two digits a byte. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encodeAscii(text) ?? encoder.encode(text);
}

/** Undefined if the text is long, or not ASCII. */
function encodeAscii(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > LOOP_MAX) return undefined;
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return undefined;
    bytes[index] = code;
  }
  return bytes;
}

/** Bytes that `text` takes as UTF-8. A lone surrogate counts as U+FFFD, which is written for it. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x7f) continue;
    length += code <= 0x7ff ? 1 : 2;
    const isPair = code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1));
    // Four bytes for two units.
    if (isPair) index++;
  }
  return length;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

/**
 * Decodes bytes; what is not UTF-8 becomes U+FFFD. A shared buffer is copied first (TextDecoder
 * refuses one).
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decodeAscii(bytes) ?? decoder.decode(unshared(bytes));
}

/** Undefined if there are many bytes, or not ASCII. */
function decodeAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > DECODE_LOOP_MAX) return undefined;
  const codes: number[] = [];
  // An index, as an iterator takes twice as long.
  for (let index = 0; index < bytes.length; index++) {
    const code = bytes[index] ?? 0;
    if (code > 0x7f) return undefined;
    codes.push(code);
  }
  // Unlike a spread argument, this doesn't run through the array's iterator.
  return Reflect.apply(String.fromCharCode, undefined, codes);
}

/** Decodes bytes that must be UTF-8. Errors: TypeError if they are not. */
export function decodeUtf8Strict(bytes: Uint8Array): string {
  return strictDecoder.decode(unshared(bytes));
}

function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice();
}

/**
 * True if `text` takes more than `limit` bytes as UTF-8. Usually answered by the string's length
 * alone.
 */
export function isLongerThan(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  return utf8Length(text) > limit;
}
