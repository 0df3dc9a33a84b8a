// The progress of a download as one line of text that a terminal shows over and over.

import { formatBytes, fractionOf } from '../ui/format.ts';

const BAR_SIZE = 24;
/** Goes to the start of the line and removes what is there. */
const CLEAR_LINE = '\r\x1b[K';

export function progressLine(label: string, done: number, total: number, columns: number): string {
  const fraction = fractionOf(done, total);
  const filled = Math.floor(fraction * BAR_SIZE);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_SIZE - filled);
  const percent = `${String(Math.floor(fraction * 100)).padStart(3)}%`;
  const bytes = `${formatBytes(done)} of ${formatBytes(total)}`;
  const long = `${label}  ${bar} ${percent}  ${bytes}`;
  // A line that wraps could not be taken back.
  const line = long.length < columns ? long : `${label} ${percent}`;
  return CLEAR_LINE + line.slice(0, Math.max(0, columns - 1));
}

export function clearProgress(): string {
  return CLEAR_LINE;
}
