// The lines entered, and how they are kept in a file: one a line, as zsh keeps them. A newline
// inside an entry is preceded by a backslash.

/** Entries beyond this number are forgotten, the oldest first. */
export const HISTORY_MAX = 1000;

/** `entries` with `line` added; a blank line or a repetition of the last one is not. */
export function addToHistory(entries: readonly string[], line: string): readonly string[] {
  const entry = line.trimEnd();
  if (entry === '' || entries.at(-1) === entry) return entries;
  return [...entries, entry].slice(-HISTORY_MAX);
}

export function encodeHistory(entries: readonly string[]): string {
  return entries.map((entry) => `${encodeEntry(entry)}\n`).join('');
}

/** One entry as it stands in the file, without the newline that ends it. */
function encodeEntry(entry: string): string {
  // At the end of an entry a backslash would join it to the next: a space keeps them apart.
  const text = entry.endsWith('\\') ? `${entry} ` : entry;
  return text.replaceAll('\n', '\\\n');
}

export function decodeHistory(text: string): readonly string[] {
  const entries: string[] = [];
  let open: string | undefined;
  for (const line of text.split('\n')) {
    const whole: string = open === undefined ? line : `${open}\n${line}`;
    open = line.endsWith('\\') ? whole.slice(0, -1) : undefined;
    if (open === undefined && whole !== '') entries.push(whole);
  }
  return entries.slice(-HISTORY_MAX);
}
