// A history as lines that can be pasted into a conformance case, with the outcomes of Linux.

import { PROCESS_NAMES, type Step, type StepArgument } from './step.ts';

/** Calls a Subject has by another name. */
const METHODS: Partial<Record<Step['call'], string>> = {
  inotify_init1: 'inotifyInit',
  inotify_add_watch: 'addWatch',
  inotify_rm_watch: 'removeWatch',
  pipe2: 'pipe',
  copy_file_range: 'copyFileRange',
};

/** First arguments that are descriptors. */
const FD_CALLS =
  /^(?:close|p?read|p?write|lseek|f[a-z]*|dup|dup3|[gs]etf[ld]|[gs]etlk|inotify_[ar].*|getdents)$/;

function printArgument(argument: StepArgument, isFd: boolean): string {
  if (typeof argument === 'number')
    return isFd && argument >= 0 ? `fds[${argument}]` : printNumber(argument);
  if (typeof argument === 'string') {
    return argument.startsWith('/') ? `t.path('${argument.slice(1)}')` : `'${argument}'`;
  }
  if ('seed' in argument) return `new Uint8Array(${argument.length}).fill(${argument.seed + 1})`;
  if ('room' in argument) return String(argument.room);
  return JSON.stringify(argument);
}

function printNumber(value: number): string {
  return value >= 0o100 && value % 10 !== 0 ? `0o${value.toString(8)}` : String(value);
}

/** One line a step; those without an outcome came after the difference. */
export function printHistory(history: readonly Step[], outcomes: readonly string[]): string {
  const lines: string[] = [];
  let index = 0;
  for (const { who, call, args } of history) {
    if (call === 'tick') {
      lines.push('await t.tick();');
      continue;
    }
    if (index > 0 && index === outcomes.length) break;
    const outcome = outcomes[index] ?? '';
    index++;
    const shown = args.map((arg, at) => printArgument(arg, at === 0 && FD_CALLS.test(call)));
    const made = `${PROCESS_NAMES[who] ?? who}.${METHODS[call] ?? call}(${shown.join(', ')})`;
    const isError = /^E[A-Z0-9]+$/.test(outcome);
    const note = outcome === 'done' || outcome === '' ? '' : ` // ${outcome}`;
    lines.push(isError ? `await expectError('${outcome}', ${made});` : `await ${made};${note}`);
  }
  return lines.join('\n');
}
