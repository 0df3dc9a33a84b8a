// The log of `burrowfs gofer` for somebody who looks at it: a line of words for each message, where
// stderr is a terminal. Programs that read the log get JSON.

import type { GoferLog } from '../gofer-server/log.ts';
import type { LogLevel } from './option-table.ts';

const RED = '\x1b[31m';
const YELLOW = '\x1b[33m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

type Level = 'info' | 'warn' | 'error';

/** From what says least to what says most. */
const ORDER: readonly LogLevel[] = ['silent', 'error', 'warn', 'info', 'debug'];
const COLOURS: Readonly<Record<Level, string>> = { info: '', warn: YELLOW, error: RED };

export interface TerminalLogOptions {
  readonly level: LogLevel;
  readonly write: (line: string) => void;
  /** The time of day, for people. */
  readonly time: () => string;
  readonly hasColours: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

export class TerminalLog implements GoferLog {
  readonly #options: TerminalLogOptions;

  constructor(options: TerminalLogOptions) {
    this.#options = options;
  }

  info(fields: object, message: string): void {
    this.#log('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#log('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#log('error', fields, message);
  }

  #log(level: Level, fields: object, message: string): void {
    const { level: least, write, time, hasColours } = this.#options;
    // That it serves, and what, stands above on the same terminal.
    if (ORDER.indexOf(level) > ORDER.indexOf(least) || message === 'serving') return;
    const text = onOneLine(wordsOf(fields as Fields, message));
    const { err } = fields as Fields;
    const stack = err instanceof Error ? `\n${err.stack ?? err.message}` : '';
    const colour = COLOURS[level];
    if (!hasColours) write(`${time()}  ${text}${stack}\n`);
    else write(`${DIM}${time()}${PLAIN}  ${colour}${text}${colour && PLAIN}${stack}\n`);
  }
}

/** What a message says, with the fields that somebody would ask for. */
function wordsOf(fields: Fields, message: string): string {
  switch (message) {
    case 'connection opened':
      return `connected     ${peerOf(fields)}`;
    case 'connection closed':
      return `disconnected  ${peerOf(fields)}${usageOf(fields)}`;
    case 'connection refused':
      return `refused       ${peerOf(fields)}: ${textOf(fields['detail'])}`;
    case 'stopping':
      return 'stopping: clients may write back what they hold; again stops at once';
    default: {
      const problem = fields['problem'];
      return problem === undefined ? message : `${message}: ${textOf(problem)}`;
    }
  }
}

function peerOf({ origin, address }: Fields): string {
  const from = textOf(address);
  return origin === undefined ? from : `${textOf(origin)} (${from})`;
}

function usageOf({ requests, durationMs }: Fields): string {
  if (typeof durationMs !== 'number') return '';
  return `, after ${durationOf(durationMs)} and ${textOf(requests)} requests`;
}

/** In the unit that fits. */
export function durationOf(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  const minutes = seconds / 60;
  return minutes < 120 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(1)} h`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
}

/** What a client says may hold anything, and a terminal obeys control characters. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
