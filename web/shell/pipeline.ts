// Runs the commands of a pipeline side by side, the output of each being the input of the next.

import type { ExitStatus, Process, SpawnOptions, Terminal } from '../../src/index.ts';
import type { Builtin } from './builtins.ts';
import type { Resolution } from './command-lookup.ts';
import { resolveCommand } from './command-lookup.ts';
import { ShellError, describeError, errorCode } from './errors.ts';
import { expandValue, expandWords } from './expand.ts';
import type { ShellHost } from './host.ts';
import type { Channels, Output } from './redirections.ts';
import { redirect } from './redirections.ts';
import type { ShellState } from './state.ts';
import { emptyStream, mergeStreams, textStream } from './streams.ts';
import type { Command } from './syntax.ts';

export const STATUS_INTERRUPTED = 130;
const STATUS_CANNOT_RUN = 126;
const STATUS_NOT_FOUND = 127;

/** Lets the shell stop what runs. */
export interface Job {
  readonly signal: AbortSignal;
  readonly processes: Set<Process>;
}

/** A command with its words expanded and its files opened once, ready to start. */
interface Stage {
  readonly state: ShellState;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly channels: Channels;
  readonly resolution: Resolution | null;
  /** Why it can't run, or null. */
  readonly failure: { readonly status: number; readonly message: string } | null;
}

/** A stage under way. */
interface Running {
  readonly exited: Promise<number>;
  /** What it writes to the next stage. */
  readonly output: ReadableStream<Uint8Array> | null;
}

type StdinOption = NonNullable<SpawnOptions['stdin']>;
type StdoutOption = NonNullable<SpawnOptions['stdout']>;

const encoder = new TextEncoder();

/** Resolves to the exit code of the last command. */
export async function runPipeline(
  commands: readonly Command[],
  state: ShellState,
  host: ShellHost,
  job: Job,
): Promise<number> {
  const stages: Stage[] = [];
  for (const [index, command] of commands.entries()) {
    const channels: Channels = {
      input: { kind: index === 0 ? 'terminal' : 'pipe' },
      output: { kind: index === commands.length - 1 ? 'terminal' : 'pipe' },
      errors: { kind: 'terminal' },
    };
    const ownState = commands.length === 1 ? state : state.clone();
    stages.push(await prepare(command, channels, ownState, host, job));
  }
  const exits: Promise<number>[] = [];
  let previous: Running | null = null;
  for (const stage of stages) {
    const input: ReadableStream<Uint8Array> | null = previous?.output ?? null;
    if (stage.channels.input.kind !== 'pipe') void input?.cancel().catch(() => undefined);
    const running: Running = await start(stage, input ?? emptyStream(), host, job);
    exits.push(running.exited);
    previous = running;
  }
  const statuses = await Promise.all(exits);
  return statuses.at(-1) ?? 0;
}

async function prepare(
  command: Command,
  base: Channels,
  state: ShellState,
  host: ShellHost,
  job: Job,
): Promise<Stage> {
  const variables = (name: string): string | undefined => state.get(name);
  const context = { variables, cwd: state.cwd, source: host.fs };
  const failed = (error: ShellError): Stage => {
    const failure = { status: 1, message: error.message };
    const environment = {};
    return { state, argv: [], environment, channels: base, resolution: null, failure };
  };
  let channels: Channels;
  let argv: string[];
  try {
    argv = await expandWords(command.words, context);
    channels = await redirect(base, command.redirections, context, host.fs);
  } catch (error) {
    if (error instanceof ShellError) return failed(error);
    throw error;
  }
  const values: Record<string, string> = {};
  for (const { name, value } of command.assignments) values[name] = expandValue(value, variables);
  const [name] = argv;
  if (name === undefined) {
    for (const [variable, value] of Object.entries(values)) state.set(variable, value);
    state.status = 0;
    return { state, argv, environment: {}, channels, resolution: null, failure: null };
  }
  const stage = { state, argv, environment: values, channels };
  return { ...stage, ...(await resolve(name, state, host, job)) };
}

/** Finds what to run, and installs it if need be. */
async function resolve(
  name: string,
  state: ShellState,
  host: ShellHost,
  job: Job,
): Promise<Pick<Stage, 'resolution' | 'failure'>> {
  const resolution = await resolveCommand(name, state, host);
  if (resolution.kind === 'missing') {
    return {
      resolution: null,
      failure: { status: resolution.status, message: resolution.message },
    };
  }
  if (resolution.kind !== 'available') return { resolution, failure: null };
  try {
    const path = await host.programs.install(name, job.signal);
    const { available } = resolution;
    return { resolution: { kind: 'program', path, available }, failure: null };
  } catch (error) {
    const status = job.signal.aborted ? STATUS_INTERRUPTED : STATUS_CANNOT_RUN;
    const message = job.signal.aborted ? '' : `${name}: ${describeError(error)}`;
    return { resolution: null, failure: { status, message } };
  }
}

async function start(
  stage: Stage,
  input: ReadableStream<Uint8Array>,
  host: ShellHost,
  job: Job,
): Promise<Running> {
  const { failure, resolution } = stage;
  if (failure !== null || job.signal.aborted) {
    void input.cancel().catch(() => undefined);
    return startFailure(stage, failure ?? { status: STATUS_INTERRUPTED, message: '' }, host);
  }
  if (resolution?.kind === 'builtin') {
    void input.cancel().catch(() => undefined);
    return startBuiltin(resolution.builtin, stage, host);
  }
  if (resolution?.kind === 'program') return startProgram(resolution, stage, input, host, job);
  void input.cancel().catch(() => undefined);
  return { exited: Promise.resolve(0), output: null };
}

/** A stage that only says why it does nothing else. */
async function startFailure(
  stage: Stage,
  failure: NonNullable<Stage['failure']>,
  host: ShellHost,
): Promise<Running> {
  const exited = Promise.resolve(failure.status);
  const { errors } = stage.channels;
  const text = failure.message === '' ? '' : `${failure.message}\n`;
  if (errors.kind === 'pipe') return { exited, output: textStream(text) };
  await report(errors, text, host);
  return { exited, output: null };
}

/** Writes a message of the shell's own where the command's error output goes. */
async function report(errors: Output, text: string, host: ShellHost): Promise<void> {
  if (errors.kind === 'file') await host.fs.appendFile(errors.path, text);
  else if (text !== '') await host.write(text);
}

function startBuiltin(builtin: Builtin, stage: Stage, host: ShellHost): Running {
  const { state, channels } = stage;
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const writer = stream.writable.getWriter();
  let isPipeBroken = false;
  const writeTo = async (output: Output, text: string): Promise<void> => {
    if (output.kind === 'terminal') await host.write(text);
    else if (output.kind === 'file') await host.fs.appendFile(output.path, encoder.encode(text));
    else if (!isPipeBroken) {
      // The next command may have ended: what it doesn't read is dropped, as after a SIGPIPE.
      await writer.write(encoder.encode(text)).catch(() => {
        isPipeBroken = true;
      });
    }
  };
  const run = async (): Promise<number> => {
    const context = {
      state,
      host,
      resolve: (name: string): Promise<Resolution> => resolveCommand(name, state, host),
      out: (text: string): Promise<void> => writeTo(channels.output, text),
      err: (text: string): Promise<void> => writeTo(channels.errors, text),
    };
    try {
      return await withAssignments(stage, () => builtin.run(context, stage.argv.slice(1)));
    } catch (error) {
      await report(channels.errors, `${builtin.name}: ${describeError(error)}\n`, host);
      return 1;
    } finally {
      if (!isPipeBroken) await writer.close().catch(() => undefined);
    }
  };
  const isPiped = channels.output.kind === 'pipe' || channels.errors.kind === 'pipe';
  if (!isPiped) void stream.readable.cancel();
  return { exited: run(), output: isPiped ? stream.readable : null };
}

/** Sets the variables before a builtin's name for as long as it runs. */
async function withAssignments(stage: Stage, run: () => Promise<number>): Promise<number> {
  const { state, environment } = stage;
  const saved = Object.keys(environment).map((name) => [name, state.variables.get(name)] as const);
  for (const [name, value] of Object.entries(environment)) state.set(name, value);
  const status = await run();
  for (const [name, value] of saved) {
    if (value === undefined) state.variables.delete(name);
    else state.set(name, value);
  }
  return status;
}

async function startProgram(
  program: Resolution & { readonly kind: 'program' },
  stage: Stage,
  input: ReadableStream<Uint8Array>,
  host: ShellHost,
  job: Job,
): Promise<Running> {
  const { state, argv, channels } = stage;
  const [name = ''] = argv;
  const { columns, rows } = host.size();
  const { available, path } = program;
  let child: Process;
  try {
    child = await host.spawn(path, {
      args: [...(available?.args ?? []), ...argv.slice(1)],
      argv0: name,
      env: {
        COLUMNS: String(columns),
        LINES: String(rows),
        ...state.environment(),
        ...stage.environment,
      },
      cwd: state.cwd,
      ...standardStreams(channels, input, host),
    });
  } catch (error) {
    void input.cancel().catch(() => undefined);
    const isMissing = errorCode(error) === 'ENOENT';
    const status = isMissing ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
    return startFailure(stage, { status, message: `${name}: ${describeError(error)}` }, host);
  }
  job.processes.add(child);
  if (job.signal.aborted) await child.kill('SIGINT');
  return { exited: exitOf(child, stage, host, job), output: pipedOutput(channels, child) };
}

async function exitOf(child: Process, stage: Stage, host: ShellHost, job: Job): Promise<number> {
  let status: ExitStatus;
  try {
    status = await child.exited;
  } catch (error) {
    status = { code: STATUS_CANNOT_RUN, signal: null, error: describeError(error) };
  } finally {
    job.processes.delete(child);
  }
  const [name = ''] = stage.argv;
  if (status.error !== null)
    await report(stage.channels.errors, `${name}: ${status.error}\n`, host);
  return status.code;
}

function standardStreams(
  channels: Channels,
  input: ReadableStream<Uint8Array>,
  host: ShellHost,
): Pick<SpawnOptions, 'stdin' | 'stdout' | 'stderr'> {
  const hasInput = channels.input.kind === 'terminal';
  const isOnTerminal =
    hasInput || channels.output.kind === 'terminal' || channels.errors.kind === 'terminal';
  const terminal = isOnTerminal ? host.openTerminal({ hasInput }) : null;
  const isShared = channels.output === channels.errors;
  return {
    stdin: stdinOption(channels, input, terminal),
    stdout: outputOption(channels.output, isShared, terminal),
    stderr: outputOption(channels.errors, isShared, terminal),
  };
}

function stdinOption(
  channels: Channels,
  input: ReadableStream<Uint8Array>,
  terminal: Terminal | null,
): StdinOption {
  if (channels.input.kind === 'file') return { file: channels.input.path };
  if (channels.input.kind === 'pipe') return input;
  return terminal ?? 'null';
}

function outputOption(output: Output, isShared: boolean, terminal: Terminal | null): StdoutOption {
  if (output.kind === 'pipe') return 'pipe';
  if (output.kind === 'terminal') return terminal ?? 'null';
  // Each descriptor has an offset of its own; appending keeps the two from overwriting each other.
  return { file: output.path, append: output.append || isShared };
}

function pipedOutput(channels: Channels, child: Process): ReadableStream<Uint8Array> | null {
  const streams: ReadableStream<Uint8Array>[] = [];
  if (channels.output.kind === 'pipe' && child.stdout !== null) streams.push(child.stdout);
  if (channels.errors.kind === 'pipe' && child.stderr !== null) streams.push(child.stderr);
  return streams.length > 1 ? mergeStreams(streams) : (streams[0] ?? null);
}
