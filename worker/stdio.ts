// Standard streams of a program: files of its task on one side, web streams of the page on the
// other. Between them lies a ByteQueue, so that either side waits for the other.

import { linuxerr } from '../src/abi/errno.ts';
import {
  AT_FDCWD,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../src/abi/fcntl.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { Task } from '../src/kernel/task.ts';
import { ByteQueue } from '../src/lib/byte-queue.ts';
import { anyOf, runAsync, type Wait } from '../src/lib/op.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import type { FileDescription } from '../src/vfs/file-description.ts';
import type { StdioSource, TerminalStreams } from './protocol.ts';

interface OpenTerminal {
  readonly input: ByteQueue;
  readonly output: ByteQueue;
  /** Resolves when everything has been shown. */
  readonly flushed: Promise<void>;
  readonly file: FileDescription;
}

const COPY_SIZE = 65536;

/**
 * Opens descriptors 0, 1 and 2 of a task. The result resolves, after the task has ended, when its
 * output has reached the page (pipes excepted: the page may never read them).
 *
 * Errors: those of opening a file; EINVAL for a combination that makes no sense.
 */
export async function openStdio(
  context: { readonly kernel: Kernel; readonly task: Task; readonly sys: Syscalls },
  stdio: readonly StdioSource[],
  terminals: readonly TerminalStreams[],
): Promise<() => Promise<void>> {
  const { kernel, task, sys } = context;
  const flushes: Promise<void>[] = [];
  const opened = terminals.map((streams) => openTerminal(kernel, task, streams));
  try {
    for (const [fd, source] of stdio.entries()) {
      if (source.kind === 'file') {
        const flags = fd === 0 ? O_RDONLY : fileFlags(source.append);
        await runAsync(sys.openat(AT_FDCWD, source.path, flags, 0o666));
        continue;
      }
      task.fds.install(await openStream(kernel, task, source, opened, flushes));
    }
  } finally {
    // Descriptors hold the terminals from here on.
    for (const { file } of opened) file.decRef();
  }
  for (const { flushed } of opened) flushes.push(flushed);
  return async () => {
    await Promise.all(flushes);
  };
}

function fileFlags(append: boolean): number {
  return O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
}

async function openStream(
  kernel: Kernel,
  task: Task,
  source: Exclude<StdioSource, { kind: 'file' }>,
  terminals: readonly OpenTerminal[],
  flushes: Promise<void>[],
): Promise<FileDescription> {
  switch (source.kind) {
    case 'null':
      return await runAsync(kernel.openNull());
    case 'readable': {
      const input = new ByteQueue();
      void pumpIn(source.stream, input, { isOnDemand: false });
      return kernel.openStream({ flags: O_RDONLY, isTerminal: false, input }, task.creds);
    }
    case 'writable': {
      const output = new ByteQueue();
      const flushed = pumpOut(output, source.stream);
      if (!source.isPipe) flushes.push(flushed);
      return kernel.openStream({ flags: O_WRONLY, isTerminal: false, output }, task.creds);
    }
    case 'terminal': {
      const terminal = terminals[source.index];
      if (terminal === undefined) throw linuxerr.EINVAL;
      terminal.file.incRef();
      return terminal.file;
    }
  }
}

function openTerminal(kernel: Kernel, task: Task, streams: TerminalStreams): OpenTerminal {
  const input = new ByteQueue();
  const output = new ByteQueue();
  // What is typed ahead belongs to whoever reads next, perhaps not this program.
  void pumpIn(streams.input, input, { isOnDemand: true });
  const flushed = pumpOut(output, streams.output);
  const options = { flags: O_RDWR, isTerminal: true, input, output };
  return { input, output, flushed, file: kernel.openStream(options, task.creds) };
}

function change(wait: Wait): Promise<void> {
  return new Promise((resolve) => {
    wait.subscribe(resolve);
  });
}

/**
 * From the page to the task, until the page closes the stream or the task its end. On demand, the
 * page is asked for something only when the task wants to read.
 */
export async function pumpIn(
  stream: ReadableStream<Uint8Array>,
  queue: ByteQueue,
  options: { readonly isOnDemand: boolean },
): Promise<void> {
  const reader = stream.getReader();
  // A read that is under way then ends as if the page had closed the stream.
  void readClosed(queue).then(() => reader.cancel().catch(() => undefined));
  try {
    for (;;) {
      if (options.isOnDemand) await demand(queue);
      if (queue.isReadClosed) break;
      const { done, value } = await reader.read();
      if (done) break;
      let rest: Uint8Array = value;
      while (rest.length > 0 && !queue.isReadClosed) {
        rest = rest.subarray(queue.write(rest));
        if (rest.length > 0) await change(queue.changed);
      }
    }
  } catch {
    // The page's side failed or is gone: to the program that is the end of its input.
  } finally {
    queue.closeWrite();
  }
}

/** Resolves when the task wants to read, or has closed its end. */
async function demand(queue: ByteQueue): Promise<void> {
  const wait = anyOf([queue.wanted, queue.changed]);
  while (!queue.isWanted && !queue.isReadClosed) await change(wait);
}

/** Resolves when the task has closed its end. */
async function readClosed(queue: ByteQueue): Promise<void> {
  while (!queue.isReadClosed) await change(queue.changed);
}

/** From the task to the page, until the task has closed its end and everything is through. */
export async function pumpOut(queue: ByteQueue, stream: WritableStream<Uint8Array>): Promise<void> {
  const writer = stream.getWriter();
  const buffer = new Uint8Array(COPY_SIZE);
  try {
    for (;;) {
      const count = queue.read(buffer);
      if (count > 0) {
        await writer.ready;
        await writer.write(buffer.slice(0, count));
      } else if (queue.isWriteClosed) {
        break;
      } else {
        await change(queue.changed);
      }
    }
    await writer.close();
  } catch {
    // Nobody reads any more: the program's next write is EPIPE.
    queue.closeRead();
  }
}
