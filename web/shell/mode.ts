// Modes as chmod takes them: octal, or symbolic clauses like `u+x,go-w`. POSIX: chmod.

const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;

/** The permission bits that `text` makes of `mode`; undefined if it is no mode. */
export function applyMode(text: string, mode: number, isDirectory: boolean): number | undefined {
  if (/^[0-7]{1,4}$/.test(text)) return parseInt(text, 8);
  let result: number | undefined = mode & 0o7777;
  for (const clause of text.split(',')) {
    result = applyClause(clause, result, isDirectory);
    if (result === undefined) return undefined;
  }
  return result;
}

function applyClause(clause: string, mode: number, isDirectory: boolean): number | undefined {
  const [, who = '', operator, permissions = ''] =
    /^([ugoa]*)([-+=])([rwxXst]*)$/.exec(clause) ?? [];
  if (operator === undefined) return undefined;
  const classes = who === '' || who.includes('a') ? 'ugo' : who;
  // `X` is for directories, and for what somebody may run already.
  const mayRun = permissions.includes('X') && (isDirectory || (mode & 0o111) !== 0);
  let bits = 0;
  let mask = 0;
  for (const [name, shift] of Object.entries(SHIFTS)) {
    if (!classes.includes(name)) continue;
    mask |= 7 << shift;
    for (const permission of permissions) bits |= (BITS[permission] ?? 0) << shift;
    if (mayRun) bits |= 1 << shift;
  }
  if (permissions.includes('s') && classes.includes('u')) bits |= S_ISUID;
  if (permissions.includes('s') && classes.includes('g')) bits |= S_ISGID;
  if (permissions.includes('t')) bits |= S_ISVTX;
  if (operator === '+') return mode | bits;
  return operator === '-' ? mode & ~bits : (mode & ~mask) | bits;
}
