// The progress of a download as one line of text.

import { formatBytes, fractionOf } from '../ui/format.ts';

const BAR_SIZE = 24;

export function progressLine(label: string, done: number, total: number, columns: number): string {
  const fraction = fractionOf(done, total);
  const filled = Math.floor(fraction * BAR_SIZE);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_SIZE - filled);
  const percent = `${String(Math.floor(fraction * 100)).padStart(3)}%`;
  const bytes = `${formatBytes(done)} of ${formatBytes(total)}`;
  const long = `${label}  ${bar} ${percent}  ${bytes}`;
  // In a narrow terminal, the rest would wrap.
  const line = long.length < columns ? long : `${label} ${percent}`;
  return line.slice(0, Math.max(0, columns - 1));
}
