// Numbers as parts of keys: 64 bits as four UTF-16 units, most significant first, so that keys sort
// by number. An object's pieces lie beside the items whose keys begin with its number like this.

export function numberKey(value: number): string {
  const high = Math.floor(value / 2 ** 32);
  const low = value % 2 ** 32;
  return String.fromCharCode(high >>> 16, high & 0xffff, low >>> 16, low & 0xffff);
}

/** The number in a key, from its unit `at` on. */
export function numberFromKey(key: string, at: number): number {
  let value = 0;
  for (let unit = 0; unit < 4; unit++) value = value * 0x10000 + key.charCodeAt(at + unit);
  return value;
}
