// Numbers as people read them.

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size with its unit: '812 bytes', '3.2 MB', '27 MB'. */
export function formatBytes(bytes: number): string {
  if (bytes === 1) return '1 byte';
  let value = bytes;
  let unit = 0;
  while (Math.round(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}

/** How much of `total` is done, between 0 and 1; 1 if there is nothing to do. */
export function fractionOf(done: number, total: number): number {
  return total <= 0 ? 1 : Math.min(1, Math.max(0, done / total));
}
