// The real command as a child process: compiled into the cache, as the package is.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltCommand, buildCommand } from '../../../.tools/gofer-command.mjs';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { parseGoferUrl } from '../../../src/transport/gofer-url.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export class Command {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  #onOutput: () => void = () => undefined;
  readonly ended: Promise<Ended>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#onOutput();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#onOutput();
    });
    this.ended = once(child, 'close').then(([code]: unknown[]) => {
      this.#onOutput();
      return { code: code as number | null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** Errors: Error with all output if the command ends before. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null) {
        const { stdout, stderr } = await this.ended;
        if (isThere()) return;
        throw new Error(`the command ended:\n${stdout}${stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
  }

  get log(): LogLine[] {
    const lines = this.stderr.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The first line of the log that says so. */
  async logged(message: string): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.find(({ msg }) => msg === message);
    await this.until(() => find() !== undefined);
    return find()!;
  }

  /** What is printed behind `label`. */
  line(label: string): string | undefined {
    return new RegExp(`^${label} +(.*)$`, 'm').exec(this.stdout)?.[1];
  }

  /** The address that is printed. */
  async address(): Promise<{ url: string; token: string | undefined; printed: string }> {
    await this.until(() => this.stdout.includes('address') && this.stdout.endsWith('\n'));
    const printed = this.line('address')!;
    return { ...parseGoferUrl(printed), printed };
  }
}

/** A folder for each test, and the command in it. */
export function useCommand(): {
  folder: () => string;
  /** The command, as Node runs it. */
  script: () => string;
  write: (name: string, text: string, mode?: number) => string;
  start: (...args: string[]) => Command;
  run: (...args: string[]) => Promise<Ended>;
  /** Serves the folder `served` at a free port. */
  serve: (...args: string[]) => Command;
  /** The same, with so many open files at most. */
  serveLimited: (openFiles: number, ...args: string[]) => Command;
} {
  let folder = '';
  let built: BuiltCommand | undefined;
  const commands: Command[] = [];

  beforeAll(async () => {
    built = await buildCommand();
  }, 120_000);
  afterAll(() => {
    built?.remove();
  });
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'burrow-cli-')));
    mkdirSync(join(folder, 'served'));
  });
  afterEach(async () => {
    for (const { child, ended } of commands.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const script = (): string => built!.script;
  const spawned = (file: string, args: readonly string[]): Command => {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    const command = new Command(spawn(file, args, { cwd: folder, stdio }));
    commands.push(command);
    return command;
  };
  const start = (...args: string[]): Command => spawned(process.execPath, [script(), ...args]);
  return {
    folder: () => folder,
    script,
    write: (name, text, mode = 0o600) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    },
    start,
    serveLimited: (openFiles, ...args) => {
      const limited = ['-c', `ulimit -n ${openFiles}; exec "$0" "$@"`, process.execPath, script()];
      return spawned('sh', [...limited, 'gofer', 'served', '--port', '0', ...args]);
    },
    run: (...args) => start(...args).ended,
    serve: (...args) => start('gofer', 'served', '--port', '0', ...args),
  };
}
