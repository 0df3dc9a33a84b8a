// Reads command lines from the console and runs them, one shell after the other.

import type { FileSystem } from '../src/index.ts';
import { HOOK_ENVIRONMENT } from './install/working-directory.ts';
import type { Completion } from './shell/completion.ts';
import { complete } from './shell/completion.ts';
import { listCommands } from './shell/command-lookup.ts';
import { describeError } from './shell/errors.ts';
import { addToHistory, decodeHistory, encodeHistory } from './shell/history.ts';
import type { ShellHost } from './shell/host.ts';
import { abbreviateHome, joinPath } from './shell/paths.ts';
import { Shell, isIncomplete } from './shell/shell.ts';
import type { ShellState } from './shell/state.ts';
import type { Console } from './terminal/console.ts';

export const HOME = '/home/user';

const ENVIRONMENT: Readonly<Record<string, string>> = {
  HOME,
  HOSTNAME: 'burrow',
  LANG: 'C.UTF-8',
  PATH: '/bin',
  TERM: 'xterm-256color',
  TMPDIR: '/tmp',
  USER: 'user',
  ...HOOK_ENVIRONMENT,
};

const HISTORY_FILE = joinPath(HOME, '.burrow_history');
const CONTINUATION_PROMPT = '> ';

/** A kernel that has not stopped a program by then is held up by it. */
const INTERRUPT_TIMEOUT_MS = 3000;
const UNSTOPPABLE =
  'The program keeps the kernel busy and can’t be stopped: without threads it runs in the ' +
  'kernel’s own worker. Reload the page to end it; what has been saved stays.\n';

const RED = '\x1b[31m';
const GREEN = '\x1b[1;32m';
const BLUE = '\x1b[1;34m';
const PLAIN = '\x1b[0m';

export interface ShellLoopEvents {
  /** A command line has been run, or is about to be. */
  onState(state: 'prompt' | 'running', cwd: string): void;
}

/** The lines entered, kept in the filesystem. */
export class HistoryFile {
  readonly #fs: FileSystem;
  #entries: readonly string[] = [];
  /** Writes follow one another. */
  #written: Promise<void> = Promise.resolve();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  get entries(): readonly string[] {
    return this.#entries;
  }

  async load(): Promise<void> {
    const text = await this.#fs.readFile(HISTORY_FILE, 'utf8').catch(() => '');
    this.#entries = decodeHistory(text);
  }

  add(line: string): void {
    this.#replace(addToHistory(this.#entries, line));
  }

  clear(): void {
    this.#replace([]);
  }

  #replace(entries: readonly string[]): void {
    if (entries === this.#entries) return;
    this.#entries = entries;
    const text = encodeHistory(entries);
    this.#written = this.#written
      .then(() => this.#fs.writeFile(HISTORY_FILE, text, { mode: 0o600 }))
      // A full or read-only filesystem must not stop the shell: history is a convenience.
      .catch(() => undefined);
  }
}

/** Runs shells until the page is left. Rejects only if the console or the kernel fails. */
export async function runShells(
  console: Console,
  host: ShellHost,
  history: HistoryFile,
  events: ShellLoopEvents,
): Promise<never> {
  for (;;) {
    const shell = new Shell(host, HOME, ENVIRONMENT);
    const code = await runShell(shell, console, host, history, events);
    await console.write(`The shell ended with exit code ${String(code)}.\n`);
    const prompt = 'Press Enter for a new one. ';
    await console.readLine({ prompt, history: [], complete: () => Promise.resolve(NOTHING) });
  }
}

const NOTHING: Completion = { start: 0, candidates: [], commonPrefix: '', suffix: '' };

async function runShell(
  shell: Shell,
  console: Console,
  host: ShellHost,
  history: HistoryFile,
  events: ShellLoopEvents,
): Promise<number> {
  const { state } = shell;
  for (;;) {
    events.onState('prompt', state.cwd);
    const source = await readCommand(shell, console, host, history);
    if (source === null) return state.status;
    if (source.trim() === '') continue;
    history.add(source);
    events.onState('running', state.cwd);
    console.beginJob(() => void interrupt(shell, console));
    try {
      await shell.run(source);
    } catch (error) {
      await console.write(`${RED}The shell failed: ${describeError(error)}${PLAIN}\n`);
      state.status = 1;
    } finally {
      console.endJob();
    }
    if (state.exitCode !== null) return state.exitCode;
  }
}

/** Stops what runs. A program inside the kernel's worker that never waits can't be stopped. */
async function interrupt(shell: Shell, console: Console): Promise<void> {
  const timer = setTimeout(() => void console.write(UNSTOPPABLE), INTERRUPT_TIMEOUT_MS);
  try {
    await shell.interrupt();
  } catch (error) {
    await console.write(`The program could not be stopped: ${describeError(error)}\n`);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads lines until they make a whole command; null at the end of the input. */
async function readCommand(
  shell: Shell,
  console: Console,
  host: ShellHost,
  history: HistoryFile,
): Promise<string | null> {
  let source = '';
  for (;;) {
    const isFirst = source === '';
    const result = await console.readLine({
      prompt: isFirst ? promptOf(shell.state) : CONTINUATION_PROMPT,
      history: history.entries,
      complete: (text) => completeFor(source + text, source.length, shell.state, host),
    });
    if (result.kind === 'interrupt') {
      shell.state.status = 130;
      return '';
    }
    if (result.kind === 'end') {
      if (isFirst) return null;
      await console.write('The command ends too early.\n');
      return '';
    }
    source += result.text;
    if (!isIncomplete(source)) return source;
    source += '\n';
  }
}

function promptOf(state: ShellState): string {
  const status = state.status === 0 ? '' : `${RED}[${String(state.status)}]${PLAIN} `;
  const directory = abbreviateHome(state.cwd, state.get('HOME') ?? '');
  return `${status}${GREEN}user@burrow${PLAIN}:${BLUE}${directory}${PLAIN}$ `;
}

/** Completes the last line of a command; positions count from `lineStart`. */
async function completeFor(
  source: string,
  lineStart: number,
  state: ShellState,
  host: ShellHost,
): Promise<Completion> {
  const completion = await complete(source, {
    cwd: state.cwd,
    home: state.get('HOME') ?? '/',
    fs: host.fs,
    commands: () => listCommands(state, host),
    variables: state.variables,
  });
  return { ...completion, start: Math.max(0, completion.start - lineStart) };
}
