// What clang would do by itself if WASI could start processes: it asks `clang -### …` for the
// commands of a compilation, and the shell runs these one after the other.
//
// clang prints them on stderr, each on a line of its own that begins with a space, every argument
// in double quotes. A single command may be preceded by " (in-process)".

export interface Plan {
  /** Each command's argv; argv[0] is the tool ('clang', 'wasm-ld'), all of them the same module. */
  readonly commands: readonly (readonly string[])[];
  /** Objects that only pass from one command to the next: to be removed at the end. */
  readonly temporaries: readonly string[];
}

/** Options that clang answers by itself, without any command. */
const ANSWERS = ['-###', '--version', '--help', '-help', '--help-hidden', '-dumpversion'];

/** Whether these arguments ask for a compilation, which needs a plan. */
export const needsPlan = (args: readonly string[]): boolean =>
  args.length > 0 && !args.some((arg) => ANSWERS.includes(arg) || arg.startsWith('-print-'));

/** The arguments that make clang print its plan. */
export const planArgs = (args: readonly string[]): string[] => ['-###', ...args];

/** The arguments of one line: in double quotes, with `\` before `"`, `\` and `$`. */
function parseArguments(line: string): string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"/g), (match) =>
    (match[1] ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}

/**
 * A command without the module that holds all tools. clang prints that before the tool's name: as a
 * path if it finds itself in PATH, else as an empty argument.
 */
function withoutModule(argv: readonly string[]): readonly string[] {
  const [module = '', tool = '-'] = argv;
  const isModule = module === '' || (module.includes('/') && !tool.startsWith('-'));
  return isModule ? argv.slice(1) : argv;
}

/** The value after `-o`. */
function outputOf(command: readonly string[]): string | undefined {
  const index = command.indexOf('-o');
  return index < 0 ? undefined : command[index + 1];
}

/** What clang says of itself before a plan. */
const BANNER = /^(?:clang version|Target:|Thread model:|InstalledDir:|Build config:) /;

/** What the output of `clang -###` says to the user: errors and warnings, without the rest. */
export function messagesIn(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => !line.startsWith(' ') && !BANNER.test(line));
  return lines.join('\n');
}

/**
 * The plan in the output of `clang -###`, or null if that holds none, as when an input file is
 * missing.
 */
export function parsePlan(stderr: string): Plan | null {
  const commands = stderr
    .split('\n')
    .filter((line) => line.startsWith(' "'))
    .map((line) => withoutModule(parseArguments(line)));
  if (commands.length === 0) return null;
  const outputs = commands.slice(0, -1).map(outputOf);
  const temporaries = outputs.filter(
    (output): output is string => output?.startsWith('/tmp/') === true,
  );
  return { commands, temporaries };
}
