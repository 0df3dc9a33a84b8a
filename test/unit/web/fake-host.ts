// FakeHost: a shell's surroundings whose programs are functions and whose terminal is a text.

import type { ExitStatus, Process, SpawnOptions, Terminal } from '../../../src/index.ts';
import type { AvailableProgram, ProgramSource, ShellHost } from '../../../web/shell/host.ts';
import { emptyStream } from '../../../web/shell/streams.ts';
import { FakeFileSystem } from './fake-file-system.ts';

/** What a fake program can do. */
export interface FakeProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  readAll(): Promise<string>;
  /** Rejects once nobody reads any more. */
  out(text: string): Promise<void>;
  err(text: string): Promise<void>;
}

export type FakeProgram = (process: FakeProcess) => Promise<number>;

const PROGRAMS: Readonly<Record<string, FakeProgram>> = {
  cat: async (process) => {
    await process.out(await process.readAll());
    return 0;
  },
  args: async (process) => {
    await process.out(process.argv.map((each) => `[${each}]`).join('') + '\n');
    return 0;
  },
  env: async (process) => {
    for (const [name, value] of Object.entries(process.env).sort()) {
      await process.out(`${name}=${value}\n`);
    }
    return 0;
  },
  both: async (process) => {
    await process.out('out\n');
    await process.err('err\n');
    return 0;
  },
  fail: (process) => Promise.resolve(Number(process.argv[1] ?? '1')),
  forever: (process) =>
    new Promise((resolve) => {
      process.signal.addEventListener('abort', () => {
        resolve(130);
      });
    }),
  yes: async (process) => {
    for (;;) await process.out('y\n');
  },
  head: () => Promise.resolve(0),
};

/** Programs that end by a trap. */
const TRAPS: Readonly<Record<string, string>> = { trap: 'the program trapped: unreachable' };

export class FakeHost implements ShellHost {
  readonly fs = new FakeFileSystem();
  /** All that was written to the terminal. */
  screen = '';
  /** What a program reads from the terminal. */
  typed = '';
  readonly available = new Map<string, AvailableProgram>();
  readonly installed: string[] = [];
  readonly lines: string[] = [];
  readonly programs: ProgramSource = {
    commands: () => [...this.available.keys()],
    find: (command) => this.available.get(command),
    install: async (command, signal) => {
      signal.throwIfAborted();
      if (!(command in PROGRAMS)) throw new Error('could not be downloaded: no network');
      this.installed.push(command);
      await this.addProgram(command);
      return `/bin/${command}`;
    },
    describe: () => Promise.resolve('programs\n'),
  };

  async addProgram(name: string): Promise<void> {
    await this.fs.mkdir('/bin', { recursive: true });
    await this.fs.writeFile(`/bin/${name}`, '', { mode: 0o755 });
  }

  async addAllPrograms(): Promise<void> {
    for (const name of [...Object.keys(PROGRAMS), ...Object.keys(TRAPS)]) {
      await this.addProgram(name);
    }
  }

  write(text: string): Promise<void> {
    this.screen += text;
    return Promise.resolve();
  }

  clear(): void {
    this.screen = '';
  }

  size(): { readonly columns: number; readonly rows: number } {
    return { columns: 80, rows: 24 };
  }

  history(): readonly string[] {
    return this.lines;
  }

  clearHistory(): void {
    this.lines.length = 0;
  }

  openTerminal(options: { readonly hasInput: boolean }): Terminal {
    const output = new WritableStream<Uint8Array>({
      write: (chunk) => this.write(new TextDecoder().decode(chunk)),
    });
    const input = options.hasInput && this.typed !== '' ? streamOf(this.typed) : emptyStream();
    return { input, output };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a start is a promise
  async spawn(path: string, options: SpawnOptions): Promise<Process> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const program = PROGRAMS[name];
    if (program === undefined && !(name in TRAPS)) {
      throw Object.assign(new Error(`ENOEXEC: exec format error, spawn '${path}'`), {
        code: 'ENOEXEC',
      });
    }
    return new FakeProcessHandle(program, options, this.fs, name);
  }
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

class FakeProcessHandle implements Process {
  readonly pid = 1;
  readonly stdin = null;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly exited: Promise<ExitStatus>;
  readonly #abort = new AbortController();

  constructor(
    program: FakeProgram | undefined,
    options: SpawnOptions,
    fs: FakeFileSystem,
    name: string,
  ) {
    const out = openOutput(options.stdout, fs);
    const err = options.stderr === options.stdout && isTerminal(options.stdout) ? out : null;
    const errors = err ?? openOutput(options.stderr, fs);
    this.stdout = out.readable;
    this.stderr = errors.readable;
    const run = async (): Promise<ExitStatus> => {
      if (program === undefined) return { code: 134, signal: null, error: TRAPS[name] ?? '' };
      const code = await program({
        argv: [options.argv0 ?? name, ...(options.args ?? [])],
        env: options.env ?? {},
        cwd: options.cwd ?? '/',
        signal: this.#abort.signal,
        readAll: () => readInput(options.stdin, fs),
        out: out.write,
        err: errors.write,
      }).catch(() => 141);
      return { code, signal: null, error: null };
    };
    this.exited = run().finally(async () => {
      if (isStream(options.stdin)) await options.stdin.cancel().catch(() => undefined);
      await out.close();
      if (errors !== out) await errors.close();
    });
  }

  kill(): Promise<void> {
    this.#abort.abort();
    return Promise.resolve();
  }
}

interface FakeOutput {
  readonly readable: ReadableStream<Uint8Array> | null;
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

function openOutput(target: SpawnOptions['stdout'], fs: FakeFileSystem): FakeOutput {
  const encoder = new TextEncoder();
  if (typeof target === 'object' && 'file' in target) {
    const opened = target.append === true ? Promise.resolve() : fs.writeFile(target.file, '');
    return {
      readable: null,
      write: async (text) => {
        await opened;
        await fs.appendFile(target.file, text);
      },
      close: () => opened,
    };
  }
  if (target === 'null' || target === 'inherit') {
    return { readable: null, write: () => Promise.resolve(), close: () => Promise.resolve() };
  }
  const stream = new TransformStream<Uint8Array, Uint8Array>();
  const isPipe = target === undefined || target === 'pipe';
  const writable = isPipe ? stream.writable : isTerminal(target) ? target.output : target;
  const writer = writable.getWriter();
  return {
    readable: isPipe ? stream.readable : null,
    write: (text) => writer.write(encoder.encode(text)),
    close: () => writer.close().catch(() => undefined),
  };
}

function isTerminal(target: SpawnOptions['stdout']): target is Terminal {
  return typeof target === 'object' && 'output' in target;
}

function isStream(target: SpawnOptions['stdin']): target is ReadableStream<Uint8Array> {
  return target instanceof ReadableStream;
}

async function readInput(source: SpawnOptions['stdin'], fs: FakeFileSystem): Promise<string> {
  if (source === undefined || typeof source === 'string') return '';
  if ('file' in source) return fs.readFile(source.file, 'utf8');
  return new Response(isStream(source) ? source : source.input).text();
}
