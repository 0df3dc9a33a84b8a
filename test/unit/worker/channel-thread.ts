// The far end of a channel, in a thread of its own: makes the calls it is told to and reports what
// came of them. Started by syscall-channel.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { LinuxError } from '../../../src/abi/errno.ts';
import { type Op, runSync } from '../../../src/lib/op.ts';
import { ChannelClient } from '../../../worker/syscall-channel.ts';

/** A call, made `times` times over; a buffer among the arguments comes back. */
export interface CallMessage {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly times: number;
}

export type CallResult =
  { readonly value: unknown; readonly buffer: Uint8Array | undefined } | { readonly code: string };

const { sys } = new ChannelClient(workerData as SharedArrayBuffer);

function make({ name, args, times }: CallMessage): CallResult {
  const call = (sys as unknown as Record<string, (...args: readonly unknown[]) => Op<unknown>>)[
    name
  ];
  const buffer = args.find((arg) => arg instanceof Uint8Array);
  try {
    let value: unknown;
    for (let count = 0; count < times; count++) value = runSync(call!(...args));
    return { value, buffer };
  } catch (error) {
    if (error instanceof LinuxError) return { code: error.code };
    throw error;
  }
}

parentPort?.on('message', (message: CallMessage) => {
  parentPort?.postMessage(make(message));
});
