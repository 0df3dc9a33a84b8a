// The commands that the shell runs itself, because they change it or know only what it knows.

import type { Resolution } from './command-lookup.ts';
import { ShellError, describeError } from './errors.ts';
import type { ShellHost } from './host.ts';
import { leadingName } from './lexer.ts';
import { applyMode } from './mode.ts';
import { joinPath, resolvePath } from './paths.ts';
import type { ShellState } from './state.ts';

export interface BuiltinContext {
  readonly state: ShellState;
  readonly host: ShellHost;
  /** What a command's name means (command-lookup.ts). */
  resolve(name: string): Promise<Resolution>;
  out(text: string): Promise<void>;
  err(text: string): Promise<void>;
}

export interface Builtin {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  /** True if a program of this name is preferred. */
  readonly isFallback: boolean;
  /** Resolves to the exit code. */
  run(context: BuiltinContext, args: readonly string[]): Promise<number>;
}

export function findBuiltin(name: string): Builtin | undefined {
  return BUILTINS.get(name);
}

export function listBuiltins(): string[] {
  return [...BUILTINS.keys()];
}

async function fail(context: BuiltinContext, message: string, status = 1): Promise<number> {
  await context.err(`${message}\n`);
  return status;
}

async function cd(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const { state, host } = context;
  if (args.length > 1) return fail(context, 'cd: too many arguments');
  const [argument] = args;
  const target = argument === '-' ? state.get('OLDPWD') : (argument ?? state.get('HOME'));
  if (target === undefined) {
    return fail(context, `cd: ${argument === '-' ? 'OLDPWD' : 'HOME'} is not set`);
  }
  const path = resolvePath(state.cwd, target);
  try {
    const stats = await host.fs.stat(path);
    if (!stats.isDirectory()) return await fail(context, `cd: ${target}: not a directory`);
  } catch (error) {
    return fail(context, `cd: ${target}: ${describeError(error)}`);
  }
  state.changeDirectory(path);
  if (argument === '-') await context.out(`${path}\n`);
  return 0;
}

async function pwd(context: BuiltinContext): Promise<number> {
  await context.out(`${context.state.cwd}\n`);
  return 0;
}

async function exportVariables(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const { state } = context;
  const names = args.filter((argument) => argument !== '-p');
  if (names.length === 0) {
    for (const [name, value] of Object.entries(state.environment()).sort()) {
      await context.out(`export ${name}=${quote(value)}\n`);
    }
    return 0;
  }
  for (const argument of names) {
    const name = leadingName(argument);
    const rest = argument.slice(name.length);
    if (name === '' || (rest !== '' && !rest.startsWith('='))) {
      return fail(context, `export: “${argument}” is not a name`);
    }
    if (rest !== '') state.set(name, rest.slice(1));
    state.exported.add(name);
  }
  return 0;
}

async function unset(context: BuiltinContext, args: readonly string[]): Promise<number> {
  for (const name of args) {
    if (leadingName(name) !== name) return fail(context, `unset: “${name}” is not a name`);
    context.state.variables.delete(name);
    context.state.exported.delete(name);
  }
  return 0;
}

async function exit(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const [argument] = args;
  if (args.length > 1) return fail(context, 'exit: too many arguments');
  const code = argument === undefined ? context.state.status : Number(argument);
  if (!Number.isInteger(code)) return fail(context, `exit: ${String(argument)}: not a number`, 2);
  context.state.exitCode = code & 0xff;
  return context.state.exitCode;
}

function clear(context: BuiltinContext): Promise<number> {
  context.host.clear();
  return Promise.resolve(0);
}

async function history(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const [argument] = args;
  if (argument === '-c') {
    context.host.clearHistory();
    return 0;
  }
  const count = argument === undefined ? Infinity : Number(argument);
  if (!(count >= 0)) return fail(context, `history: ${String(argument)}: not a number`, 2);
  const entries = context.host.history();
  const lines = entries.map((entry, index) => `${String(index + 1).padStart(5)}  ${entry}\n`);
  const shown = count < lines.length ? lines.slice(lines.length - count) : lines;
  await context.out(shown.join(''));
  return 0;
}

async function help(context: BuiltinContext): Promise<number> {
  const rows = [...BUILTINS.values()].map((builtin) => [builtin.usage, builtin.summary] as const);
  const width = Math.max(...rows.map(([usage]) => usage.length));
  const lines = rows.map(([usage, summary]) => `  ${usage.padEnd(width)}  ${summary}\n`);
  await context.out(
    'Commands of the shell itself:\n' +
      lines.join('') +
      'Everything else is a WebAssembly program in /bin: “programs” lists them.\n' +
      'Words: \'as it is\', "with $VARIABLES", \\escaped, ~, * ? [a-z]\n' +
      'Lists: a ; b    a && b    a || b    a | b    # comment\n' +
      'Files: < in    > out    >> appended    2> errors    2>&1    &> both\n' +
      'Keys:  Tab completes, ↑ ↓ history, Ctrl-C stops a program, Ctrl-D ends its input\n' +
      '       F6 goes to the next part of the page\n',
  );
  return 0;
}

async function type(context: BuiltinContext, args: readonly string[]): Promise<number> {
  return describeCommands(context, args, { isVerbose: true });
}

async function which(context: BuiltinContext, args: readonly string[]): Promise<number> {
  return describeCommands(context, args, { isVerbose: false });
}

async function describeCommands(
  context: BuiltinContext,
  args: readonly string[],
  options: { readonly isVerbose: boolean },
): Promise<number> {
  let status = 0;
  for (const name of args) {
    const resolution = await context.resolve(name);
    if (resolution.kind === 'builtin') await context.out(`${name} is a command of the shell\n`);
    else if (resolution.kind === 'program') {
      await context.out(`${options.isVerbose ? `${name} is ` : ''}${resolution.path}\n`);
    } else if (resolution.kind === 'available') {
      await context.out(`${name} is available: its first use downloads it into /bin\n`);
    } else {
      await context.err(`${resolution.message}\n`);
      status = 1;
    }
  }
  return status;
}

async function programs(context: BuiltinContext): Promise<number> {
  await context.out(await context.host.programs.describe());
  return 0;
}

async function echo(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const isUnended = args[0] === '-n';
  await context.out(args.slice(isUnended ? 1 : 0).join(' ') + (isUnended ? '' : '\n'));
  return 0;
}

async function chmod(context: BuiltinContext, args: readonly string[]): Promise<number> {
  const [mode, ...paths] = args;
  if (mode === undefined || paths.length === 0) return fail(context, 'chmod: mode file…', 2);
  const { fs } = context.host;
  return forEachFile(context, 'chmod', paths, async (path) => {
    const stats = await fs.stat(path);
    const wanted = applyMode(mode, stats.mode, stats.isDirectory());
    if (wanted === undefined) throw new ShellError(`“${mode}” is not a mode`);
    await fs.chmod(path, wanted);
  });
}

async function touch(context: BuiltinContext, args: readonly string[]): Promise<number> {
  if (args.length === 0) return fail(context, 'touch: file…', 2);
  const { fs } = context.host;
  return forEachFile(context, 'touch', args, async (path) => {
    const handle = await fs.open(path, 'a');
    await handle.close();
    const now = new Date();
    await fs.utimes(path, now, now);
  });
}

/** Does something to every file, and says for which it failed. */
async function forEachFile(
  context: BuiltinContext,
  name: string,
  files: readonly string[],
  action: (path: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const file of files) {
    try {
      await action(file.startsWith('/') ? file : joinPath(context.state.cwd, file));
    } catch (error) {
      status = await fail(context, `${name}: ${file}: ${describeError(error)}`);
    }
  }
  return status;
}

/** A value as the shell reads it back. */
function quote(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

type Row = readonly [name: string, usage: string, summary: string, run: Builtin['run']];

const TABLE: readonly Row[] = [
  ['cd', 'cd [directory | -]', 'change the working directory; home if none is given', cd],
  ['pwd', 'pwd', 'print the working directory', pwd],
  [
    'export',
    'export [name[=value]]…',
    'let programs see variables; list those they see',
    exportVariables,
  ],
  ['unset', 'unset name…', 'forget variables', unset],
  ['history', 'history [-c] [count]', 'list the lines entered; -c forgets them', history],
  ['which', 'which command…', 'print the file that a command runs', which],
  ['type', 'type command…', 'say what a command is', type],
  ['programs', 'programs', 'list the programs, installed or to be had', programs],
  ['clear', 'clear', 'clear the screen', clear],
  ['help', 'help', 'print this', help],
  ['exit', 'exit [code]', 'end this shell', exit],
];

/** For where no program of that name can be had. */
const FALLBACKS: readonly Row[] = [
  ['chmod', 'chmod mode file…', 'change modes: 755, or u+x,go-w', chmod],
  ['touch', 'touch file…', 'make files, or set their times to now', touch],
  ['echo', 'echo [-n] [text]…', 'print its arguments', echo],
  ['true', 'true', 'succeed', () => Promise.resolve(0)],
  ['false', 'false', 'fail', () => Promise.resolve(1)],
];

const BUILTINS: ReadonlyMap<string, Builtin> = new Map(
  [...TABLE, ...FALLBACKS].map((row, index): [string, Builtin] => {
    const [name, usage, summary, run] = row;
    return [name, { name, usage, summary, run, isFallback: index >= TABLE.length }];
  }),
);
