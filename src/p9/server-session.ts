// Session: a client from one Tversion to the next. It has the client's fids, and its requests that
// are under way. Mirrors gVisor pkg/p9/server.go (connState); 9P: version(5), flush(5).
//
// Requests run at once, but those about one fid one after the other, in the order in which they
// came: each waits for those before it that it must not overtake, which never wait for it. A flush
// ends a request's waiting, and what it is yet to begin; what is begun is done, and told. Rflush
// comes last in any case.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Interruption, type Op, runAsync, WaitQueue } from '../lib/op.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import type { ServerObserver } from '../served/server-observer.ts';
import { encodeError, encodeR, type Frame } from './frame.ts';
import { type MessageName, messageOfType, messageRow } from './messages.ts';
import { handlerOf, type Values } from './server-handlers.ts';
import { costOf, Place } from './server-order.ts';
import { Request, type RequestScope } from './server-request.ts';

/** Where replies go. */
export interface Outlet {
  send(frame: Uint8Array): void;
  /** The client reads more slowly than it asks. */
  readonly isCongested: boolean;
  drained(): Promise<void>;
  /** Reads requests on, or no more: `isFull` may have changed. */
  pace(): void;
  /** The client doesn't keep to the rules. */
  refuse(reason: string): void;
}

export interface SessionOptions {
  readonly scope: RequestScope;
  readonly outlet: Outlet;
  readonly clock: Clock;
  readonly observer: ServerObserver | undefined;
  /** Requests under way at a time. */
  readonly inFlightMax: number;
  /** Bytes of requests under way, and of their replies. */
  readonly inFlightBytesMax: number;
  /** Bytes of requests that wait until there is room for them: more make it full. */
  readonly waitingBytesMax: number;
  /** Bytes of requests that wait for others' locks. */
  readonly parkedBytesMax: number;
  /** An error that nobody expects. */
  readonly onError: (error: unknown) => void;
}

/** Of a request that waits, beside its bytes. */
const WAITING_BYTES = 256;
/** The same of one that is begun, and waits for a lock. */
const PARKED_BYTES = 4096;

/** A request that is to be handled. */
class Task implements Interruption {
  readonly tag: number;
  readonly name: MessageName;
  readonly values: Values;
  readonly size: number;
  readonly cost: number;
  readonly place: Place;
  readonly startMs: number;
  readonly #over = new WaitQueue();
  #isOver = false;
  #isCancelled = false;
  #onInterrupt: ((reason: Error) => void) | undefined;
  /** Tags of the flushes that wait for it. */
  readonly flushes: number[] = [];

  constructor(name: MessageName, values: Values, { tag, body }: Frame, session: SessionOptions) {
    this.tag = tag;
    this.name = name;
    this.values = values;
    this.size = WAITING_BYTES + body.length;
    this.place = new Place(name, values);
    this.cost = this.place.isParked
      ? PARKED_BYTES + body.length
      : costOf(name, values, body.length, session.scope.msize);
    this.startMs = session.clock.monotonicMs();
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  subscribe(onInterrupt: (reason: Error) => void): () => void {
    this.#onInterrupt = onInterrupt;
    return () => {
      this.#onInterrupt = undefined;
    };
  }

  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#onInterrupt?.(linuxerr.EINTR);
  }

  *whenOver(): Op<void> {
    while (!this.#isOver) yield this.#over;
  }

  end(): void {
    this.#isOver = true;
    this.#over.wakeAll();
  }
}

export class Session {
  readonly #options: SessionOptions;
  /** In the order in which they came. */
  readonly #running = new Map<number, Task>();
  readonly #waiting = new Map<number, Task>();
  /** Tag of a flush → what it waits for. */
  readonly #flushing = new Map<number, Task>();
  /** Answered, with a reply that isn't on its way yet. */
  #undrained = 0;
  /** Under way, but for what waits for a lock. */
  #inFlightCount = 0;
  #inFlightBytes = 0;
  #waitingBytes = 0;
  /** Of locks that are waited for, begun or not. */
  #parkedBytes = 0;
  #isEnded = false;
  #onIdle: (() => void)[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** By which its locks are known to other servers. */
  get lockName(): string {
    return this.#options.scope.locks.name;
  }

  get isBusy(): boolean {
    return this.#running.size + this.#waiting.size + this.#undrained > 0;
  }

  /** No more is to be received until less waits. */
  get isFull(): boolean {
    return this.#waitingBytes > this.#options.waitingBytesMax;
  }

  /** Answers a request, at once or when it is done. */
  receive(frame: Frame): void {
    const { tag } = frame;
    if ([this.#running, this.#waiting, this.#flushing].some((tags) => tags.has(tag))) {
      this.#options.outlet.refuse('a tag is in use');
      return;
    }
    const startMs = this.#options.clock.monotonicMs();
    const message = messageOfType(frame.type);
    const name = message?.kind === 'T' ? message.name : undefined;
    try {
      const values = this.#decode(name, frame);
      if (name === 'flush') this.#flush(tag, (values as { readonly oldtag?: number }).oldtag ?? 0);
      else this.#take(new Task(assertDefined(name), values, frame, this.#options));
    } catch (error) {
      this.#answer({ tag, name, startMs }, this.#errorOf(error));
    }
  }

  /** Errors: EOPNOTSUPP for what isn't served; WireError. */
  #decode(name: MessageName | undefined, { body }: Frame): Values {
    if (name === undefined) throw linuxerr.EOPNOTSUPP;
    const { T, since = 0 } = messageRow(name);
    const isServed = name === 'flush' || handlerOf(name) !== undefined;
    if (!isServed || since > this.#options.scope.version) throw linuxerr.EOPNOTSUPP;
    return assertDefined(T).decode(body);
  }

  /** Errors: ENOLCK. */
  #take(task: Task): void {
    if (task.place.isParked) this.#park(task);
    if (this.#waiting.size === 0 && this.#hasRoom(task)) {
      this.#start(task);
      return;
    }
    this.#waiting.set(task.tag, task);
    this.#waitingBytes += task.size;
    this.#options.outlet.pace();
  }

  /** Errors: ENOLCK. */
  #park({ cost }: Task): void {
    const bytes = this.#parkedBytes + cost;
    if (bytes > this.#options.parkedBytesMax) throw linuxerr.ENOLCK;
    this.#parkedBytes = bytes;
  }

  /**
   * One that is larger than all the room there is has it alone. What waits for a lock takes none:
   * whoever has the lock could not give it up otherwise.
   */
  #hasRoom({ cost, place }: Task): boolean {
    if (place.isParked) return true;
    const { inFlightMax, inFlightBytesMax } = this.#options;
    const count = this.#inFlightCount + this.#undrained;
    return count === 0 || (count < inFlightMax && this.#inFlightBytes + cost <= inFlightBytesMax);
  }

  #startWaiting(): void {
    for (const task of this.#waiting.values()) {
      if (!this.#hasRoom(task)) return;
      this.#stopWaiting(task);
      this.#start(task);
    }
  }

  #stopWaiting({ tag, size }: Task): void {
    this.#waiting.delete(tag);
    this.#waitingBytes -= size;
    this.#options.outlet.pace();
  }

  /** It is not done. */
  #drop(task: Task): void {
    this.#stopWaiting(task);
    if (task.place.isParked) this.#parkedBytes -= task.cost;
  }

  #start(task: Task): void {
    const before = [...this.#running.values()].filter(({ place }) => place.isBefore(task.place));
    this.#running.set(task.tag, task);
    if (!task.place.isParked) {
      this.#inFlightCount++;
      this.#inFlightBytes += task.cost;
    }
    this.#run(task, before).catch(this.#options.onError);
  }

  async #run(task: Task, before: readonly Task[]): Promise<void> {
    const { outlet } = this.#options;
    const { isParked } = task.place;
    const result = await this.#handle(task, before);
    this.#running.delete(task.tag);
    if (isParked) this.#parkedBytes -= task.cost;
    else this.#inFlightCount--;
    // Those behind it begin before its memory is another's.
    task.end();
    const isLost = task.isCancelled && result === linuxerr.EINTR;
    if (!isLost) this.#answer(task, result);
    for (const tag of task.flushes) this.#answerFlush(tag);
    if (outlet.isCongested) {
      this.#undrained++;
      await outlet.drained();
      this.#undrained--;
    }
    if (!isParked) this.#inFlightBytes -= task.cost;
    this.#startWaiting();
    if (this.isBusy) return;
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  async #handle(task: Task, before: readonly Task[]): Promise<Values | LinuxError> {
    const request = new Request(this.#options.scope);
    const { name, values } = task;
    const run = function* (): Op<Values> {
      for (const earlier of before) yield* earlier.whenOver();
      return yield* assertDefined(handlerOf(name))(request, values);
    };
    try {
      return await runAsync(run(), task);
    } catch (error) {
      return this.#errorOf(error);
    } finally {
      request.end();
    }
  }

  #errorOf(error: unknown): LinuxError {
    if (error instanceof LinuxError) return error;
    if (error instanceof WireError) return linuxerr.EIO;
    this.#options.onError(error);
    return linuxerr.EREMOTEIO;
  }

  #answer(
    {
      tag,
      name,
      startMs,
    }: Pick<Task, 'tag' | 'startMs'> & { readonly name: Task['name'] | undefined },
    result: Values | LinuxError,
  ): void {
    const { clock, observer } = this.#options;
    const error = this.#send(tag, name, result);
    const messageName = name === undefined ? undefined : `T${name}`;
    const durationMs = clock.monotonicMs() - startMs;
    observer?.onRequest({ messageName, errno: error?.errno ?? 0, durationMs });
  }

  /** Returns what went wrong: the reply may be too large. */
  #send(
    tag: number,
    name: MessageName | undefined,
    result: Values | LinuxError,
  ): LinuxError | undefined {
    if (this.#isEnded) return undefined;
    const { scope, outlet } = this.#options;
    const options = { tag, msize: scope.msize };
    const writer = new WireWriter();
    if (!(result instanceof LinuxError) && name !== undefined) {
      try {
        outlet.send(encodeR(writer, options, name, result as never));
        return undefined;
      } catch (error) {
        const told = this.#errorOf(error);
        outlet.send(encodeError(writer, options, told));
        return told;
      }
    }
    const error = result instanceof LinuxError ? result : linuxerr.EOPNOTSUPP;
    outlet.send(encodeError(writer, options, error));
    return error;
  }

  #flush(tag: number, oldTag: number): void {
    const waiting = this.#waiting.get(oldTag);
    if (waiting !== undefined) this.#drop(waiting);
    const task = this.#running.get(oldTag) ?? this.#flushing.get(oldTag);
    if (task === undefined) {
      this.#answerFlush(tag);
      return;
    }
    task.flushes.push(tag);
    this.#flushing.set(tag, task);
    task.cancel();
  }

  #answerFlush(tag: number): void {
    this.#flushing.delete(tag);
    this.#send(tag, 'flush', {});
  }

  /** Nothing is under way any more. */
  async whenIdle(): Promise<void> {
    if (!this.isBusy) return;
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  /**
   * Nothing is answered any more. Returns when what was under way has ended, and no fid is there.
   */
  async end(): Promise<void> {
    this.#isEnded = true;
    for (const task of [...this.#waiting.values()]) this.#drop(task);
    for (const task of this.#running.values()) task.cancel();
    await this.whenIdle();
    const { fids, locks } = this.#options.scope;
    fids.closeAll();
    locks.end();
  }
}
