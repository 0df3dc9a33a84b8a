// Text as bytes: UTF-8 lengths and conversions.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/**
 * Decodes bytes; what is not UTF-8 becomes U+FFFD. A shared buffer is copied first (TextDecoder
 * refuses one).
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(unshared(bytes));
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
  return encoder.encode(text).length > limit;
}
