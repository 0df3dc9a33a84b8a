// Recovery: after a session was lost, whoever has FDs gets them anew before anything else is sent.
// It may take several links. A session that is lost meanwhile as well needs another recovery.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { type Op, startOp, type Wait, WaitQueue } from '../lib/op.ts';
import type { Reply } from '../link/reply.ts';
import type { ClientCalls } from './client-calls.ts';
import type { MountedRoot } from './client-mount.ts';
import { ClientRequest, type ValuesOf } from './client-request.ts';
import type { MessageName, ResponseOf } from './messages.ts';

/** Calls that don't wait until the recovery is done. They fail with EIO if it came to nothing. */
export interface RecoveryCalls {
  readonly payloadMax: number;
  supports(name: MessageName): boolean;
  send<Name extends MessageName>(name: Name, values: ValuesOf<Name>): Reply<ResponseOf<Name>>;
  call<Name extends MessageName>(name: Name, values: ValuesOf<Name>): Op<ResponseOf<Name>>;
}

/** What is to be done. */
export type Recover = (mounted: MountedRoot, calls: RecoveryCalls) => Op<void>;

export class Recovery implements RecoveryCalls {
  readonly #mounted: MountedRoot;
  readonly #calls: ClientCalls;
  #state: 'new' | 'running' | 'ended' = 'new';
  #isSuperseded = false;
  #error: Error | undefined;
  readonly #ended = new WaitQueue();

  constructor(mounted: MountedRoot, calls: ClientCalls) {
    this.#mounted = mounted;
    this.#calls = calls;
  }

  get payloadMax(): number {
    return this.#calls.payloadMax;
  }

  supports(name: MessageName): boolean {
    return this.#calls.supports(name);
  }

  send<Name extends MessageName>(name: Name, values: ValuesOf<Name>): Reply<ResponseOf<Name>> {
    const request = new ClientRequest(name, values, 'urgent');
    if (this.#isSuperseded) request.settle(linuxerr.EIO);
    else this.#calls.add(request);
    return request as Reply<unknown> as Reply<ResponseOf<Name>>;
  }

  *call<Name extends MessageName>(name: Name, values: ValuesOf<Name>): Op<ResponseOf<Name>> {
    return yield* this.send(name, values).wait();
  }

  /** Its session is lost as well. */
  supersede(): void {
    this.#isSuperseded = true;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Undefined if it went well. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Woken when it has ended. */
  get ended(): Wait {
    return this.#ended;
  }

  /** Does nothing if it is running. */
  start(recover: Recover): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const end = (error: unknown): void => {
      this.#error = error as Error | undefined;
      this.#state = 'ended';
      this.#ended.wakeAll();
    };
    startOp(recover(this.#mounted, this), {
      resolve: () => {
        end(undefined);
      },
      reject: (error) => {
        end(error ?? linuxerr.EIO);
      },
    });
  }

  /** Errors: what it threw, if that is a bug. */
  throwBug(): void {
    if (this.#error !== undefined && !(this.#error instanceof LinuxError)) throw this.#error;
  }
}
