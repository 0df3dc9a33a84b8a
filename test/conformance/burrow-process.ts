// A task of our kernel as a process under test, by two fronts: its system calls themselves, and the
// same calls as bytes, as the kernel gets them from a process worker.

import type { ProcessCalls, ProcessControl } from './process.ts';
import type { SyscallName, Syscalls } from '../../src/syscalls/table.ts';
import { LinuxError } from '../../src/abi/errno.ts';
import { type Interruption, type Op, runAsync } from '../../src/lib/op.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeRequest,
  encodeSuccess,
  type Frame,
  SYSCALL_NAMES,
} from '../../src/syscalls/codec.ts';

export interface TaskUnderTest {
  readonly sys: Syscalls;
  /** What tells the calls of this task to stop waiting. */
  readonly interruption: Interruption;
  /** As a signal with a handler does: what waits fails with EINTR, and the task goes on. */
  interrupt(): void;
  end(): void;
}

export interface Front {
  readonly name: string;
  readonly open: (task: TaskUnderTest) => ProcessCalls;
}

/** So many turns of the event loop are ample for whatever does not wait for somebody else. */
const TURNS = 30;

/** Everything that was due has run, promises included. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

function controlOf(task: TaskUnderTest): ProcessControl {
  return {
    isWaiting: async (hasSettled) => {
      for (let turns = 0; turns < TURNS && !hasSettled(); turns += 1) await turn();
      return !hasSettled();
    },
    interrupt: () => {
      task.interrupt();
      return Promise.resolve();
    },
  };
}

type Call = (name: SyscallName, args: readonly unknown[]) => Promise<unknown>;

function processCalls(task: TaskUnderTest, call: Call): ProcessCalls {
  const calls = SYSCALL_NAMES.map((name) => [
    name,
    (...args: readonly unknown[]) => call(name, args),
  ]);
  const all: unknown = { ...Object.fromEntries(calls), ...controlOf(task) };
  // The functions derive from the same table as the type does.
  return all as ProcessCalls;
}

/** Starts a call, whose arguments come from the same table as the call. */
function start(sys: Syscalls, name: SyscallName, args: readonly unknown[]): Op<unknown> {
  const method = sys[name] as (...values: readonly unknown[]) => Op<unknown>;
  return method.apply(sys, args as unknown[]);
}

/** What a process worker and the kernel share, where no threads are. */
class MemoryFrame implements Frame {
  bytes = new Uint8Array(1 << 10);
  view = new DataView(this.bytes.buffer);

  reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(size, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** One call at a time, as on the channel: what a case starts meanwhile takes its turn. */
function channelCall(task: TaskUnderTest): Call {
  const frame = new MemoryFrame();
  let last: Promise<unknown> = Promise.resolve();
  const serve = async (): Promise<void> => {
    const request = decodeRequest(frame);
    try {
      const op = start(task.sys, request.name, request.args);
      encodeSuccess(frame, request.name, await runAsync(op, task.interruption));
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      encodeFailure(frame, error);
    }
  };
  const answer = async (name: SyscallName, args: readonly unknown[]): Promise<unknown> => {
    encodeRequest(frame, name, args);
    await serve();
    return decodeResponse(frame, name, args);
  };
  return (name, args) => {
    const call = last.then(() => answer(name, args));
    last = call.catch(() => undefined);
    return call;
  };
}

export const FRONTS: readonly Front[] = [
  {
    name: 'called directly',
    open: (task) =>
      processCalls(task, async (name, args) =>
        runAsync(start(task.sys, name, args), task.interruption),
      ),
  },
  {
    name: 'called through the codec',
    open: (task) => processCalls(task, channelCall(task)),
  },
];
