// P9Client: a client of a 9P2000.L server, over links that may break. Mirrors gVisor
// pkg/p9/client.go; Linux: net/9p/client.c. README.md says what happens when a link breaks.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import { anyOf, type Interruption, type Op, runAsync, timer, WaitQueue } from '../lib/op.ts';
import { Backoff, jitterFrom } from '../lisafs/client-backoff.ts';
import { LinkError, openTransport } from '../lisafs/client-connect.ts';
import { KeepAlive } from '../lisafs/client-keep-alive.ts';
import type { LinkStatus } from '../lisafs/client-options.ts';
import type { Reply } from '../lisafs/client-request.ts';
import { P9Calls, UNUSED_TAG } from './client-calls.ts';
import { P9Link } from './client-link.ts';
import type { P9ClientOptions, RestoringCalls } from './client-options.ts';
import { P9Request, type RequestKind } from './client-request.ts';
import { agreeOnVersion, attach, type P9Root } from './client-session.ts';
import { payloadSizeMax } from './frame.ts';
import { type MessageName, messageRow, type RMessage, type TMessage } from './messages.ts';

/** How long opening a link may take. */
const CONNECT_MS = 20_000;
/** Time between attempts when nobody waits for them any more. */
const FAILED_RETRY_MS = 30_000;
/** A link that held so long was a good one: the next attempt is made soon. */
const STABLE_MS = 10_000;

/** The client is closed, whatever it was doing. */
class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

export class P9Client {
  readonly #options: P9ClientOptions;
  readonly #calls: P9Calls;
  readonly #keepAlive: KeepAlive;
  readonly #backoff: Backoff;
  readonly #rootFid: number;
  readonly #changed = new WaitQueue();
  readonly #counts = { sentBytes: 0, receivedBytes: 0 };
  #state: LinkStatus['state'] = 'connecting';
  #reason: string | undefined;
  #reconnectCount = 0;
  #link: P9Link | undefined;
  #connectedMs = 0;
  #root: P9Root | undefined;
  #version = 0;
  #versionMax: number;
  #payloadMax = 0;
  /** Counts sessions: fids are of one. */
  #sessionCount = 0;
  #cancelDeadline: (() => void) | undefined;
  #isOverdue = false;
  /** Trying again would be of no use. */
  #isRefused = false;
  #isHurried = false;
  #isClosing = false;
  #interrupt: ((reason: Error) => void) | undefined;

  /**
   * Connects and attaches. Errors: those of `connect`; the server's of attaching; EPROTONOSUPPORT,
   * ETIMEDOUT, EIO. The status says it in words.
   */
  static *connect(options: P9ClientOptions): Op<P9Client> {
    const client = new P9Client(options);
    client.#report();
    try {
      yield* client.#establishFirst();
    } catch (error) {
      client.#end(error instanceof LinkError ? error.message : undefined);
      throw error instanceof LinkError ? error.error : error;
    }
    client.#keepConnected();
    return client;
  }

  private constructor(options: P9ClientOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.#versionMax = options.versionMax;
    this.#backoff = new Backoff(random ?? jitterFrom(clock));
    this.#keepAlive = new KeepAlive({
      clock,
      ping: (onAnswered) => this.#ping(onAnswered),
      isAwaiting: () => this.#calls.isAwaiting,
      onLatency: () => {
        this.#report();
      },
    });
    this.#calls = new P9Calls({
      onAwaiting: () => {
        this.#keepAlive.onAwaiting();
      },
      onLinkGone: () => {
        this.#onLinkGone();
      },
    });
    this.#rootFid = this.#calls.fids.allocate();
  }

  /** Where it is attached; as it was when the link was made. */
  get root(): P9Root {
    return assertDefined(this.#root, 'a client is used before it has connected');
  }

  /** Of gVisor's versions; 0 for a plain server. */
  get version(): number {
    return this.#version;
  }

  /** Has the version both speak this message? */
  supports(name: MessageName): boolean {
    return (messageRow(name).since ?? 0) <= this.#version;
  }

  /** Most bytes to read or write at once. */
  get payloadMax(): number {
    return this.#payloadMax;
  }

  /** Another number than before: fids that nobody has walked to again are gone. */
  get sessionCount(): number {
    return this.#sessionCount;
  }

  /** Fids that are in use. */
  get fidCount(): number {
    return this.#calls.fids.count;
  }

  get status(): LinkStatus {
    return {
      state: this.#state,
      reason: this.#reason,
      latencyMs: this.#keepAlive.latencyMs,
      requestCount: this.#calls.requestCount,
      sentBytes: this.#counts.sentBytes,
      receivedBytes: this.#counts.receivedBytes,
      reconnectCount: this.#reconnectCount,
    };
  }

  // ---- Calls ----

  /**
   * Sends a request as soon as those that it depends on are answered. Bytes in it may be used for
   * something else at once. One that only looks is flushed if whoever waits for it is interrupted.
   */
  send<Name extends MessageName>(name: Name, values: TMessage<Name>): Reply<RMessage<Name>> {
    return this.#sendAs('call', name, values);
  }

  /** Sends a request, and waits for the answer. Errors: as Reply.wait(). */
  *call<Name extends MessageName>(name: Name, values: TMessage<Name>): Op<RMessage<Name>> {
    return yield* this.send(name, values).wait();
  }

  #sendAs<Name extends MessageName>(
    kind: RequestKind,
    name: Name,
    values: TMessage<Name>,
  ): Reply<RMessage<Name>> {
    const request = new P9Request(name, values, {
      kind,
      onAbandoned: (abandoned) => {
        this.#calls.abandon(abandoned);
      },
    });
    const isOver = this.#isClosing || this.#state === 'failed' || this.#state === 'closed';
    if (isOver && kind === 'call') request.settle(linuxerr.EIO);
    else this.#calls.add(request);
    return request as Reply<unknown> as Reply<RMessage<Name>>;
  }

  /** A fid for a request to make. */
  newFid(): number {
    return this.#calls.fids.allocate();
  }

  /** The path of its QID: which file it is of. Undefined if it isn't there. */
  pathOf(fid: number): bigint | undefined {
    return this.#calls.fids.pathOf(fid);
  }

  /** Nobody needs this fid any more. Clunked soon, after what is under way and is about it. */
  closeFid(fid: number): void {
    if (fid !== this.#rootFid) this.#calls.fids.doom(fid);
  }

  /** The message that does least: what it is to flush was never sent. */
  #ping(onAnswered: () => void): boolean {
    const request = new P9Request('flush', { oldtag: UNUSED_TAG }, { kind: 'probe' });
    if (!this.#calls.probe(request)) return false;
    request.onSettled((error) => {
      if (error === undefined) onAnswered();
    });
    return true;
  }

  /** Asks the server, if there is a link, how long a round trip takes; the status says it later. */
  measure(): void {
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    this.#ping(() => {
      this.#keepAlive.measured(clock.monotonicMs() - sentMs, 'Ping');
    });
  }

  // ---- By hand ----

  /** Tries again now, and calls wait for it. Does nothing while there is a link. */
  reconnectNow(): void {
    if (this.#state !== 'failed' && this.#state !== 'reconnecting') return;
    this.#backoff.reset();
    this.#isRefused = false;
    this.#isHurried = true;
    if (this.#state === 'failed') {
      this.#setState('reconnecting', this.#reason);
      this.#startDeadline();
    }
    this.#changed.wakeAll();
  }

  /** Sends what waits to be sent, and closes the link when it is answered, or time is up. */
  *close(): Op<void> {
    if (this.#state === 'closed') return;
    this.#calls.flushClunks();
    this.#isClosing = true;
    const { clock, timeoutMs } = this.#options;
    const endMs = clock.monotonicMs() + timeoutMs;
    try {
      while (!this.#calls.isIdle && this.#state !== 'failed' && clock.monotonicMs() < endMs) {
        const late = timer(clock, endMs - clock.monotonicMs());
        yield anyOf([this.#calls.idle, this.#changed, late]);
      }
    } finally {
      this.#end('the client is closed');
    }
  }

  /** Ends at once: what waits fails with EIO. */
  abort(): void {
    this.#end('the link was given up');
  }

  #end(reason: string | undefined): void {
    if (this.#state === 'closed') return;
    this.#stopDeadline();
    this.#keepAlive.stop();
    this.#setState('closed', reason);
    this.#calls.failAll();
    this.#link?.close();
    this.#interrupt?.(new ClosedError('the client is closed'));
    this.#changed.wakeAll();
  }

  // ---- Links ----

  /** Looks after the link until the client is closed. */
  #keepConnected(): void {
    const interruption: Interruption = {
      subscribe: (onInterrupt) => {
        this.#interrupt = onInterrupt;
        return () => {
          this.#interrupt = undefined;
        };
      },
    };
    runAsync(this.#maintain(), interruption).catch((error: unknown) => {
      if (error instanceof ClosedError) return;
      this.#end('something went wrong in this client');
      throw error;
    });
  }

  *#maintain(): Op<void> {
    while (this.#state !== 'closed') {
      yield* assertDefined(this.#link).gone();
      yield* this.#reconnect();
    }
  }

  *#reconnect(): Op<void> {
    for (;;) {
      yield* this.#pause();
      try {
        yield* this.#establish();
        return;
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        this.#onAttemptFailed(error);
      }
    }
  }

  *#pause(): Op<void> {
    const { clock } = this.#options;
    const backoffMs = this.#backoff.next();
    const delayMs = this.#state === 'failed' ? Math.max(FAILED_RETRY_MS, backoffMs) : backoffMs;
    const dueMs = clock.monotonicMs() + delayMs;
    while (!this.#isHurried && (this.#isRefused || clock.monotonicMs() < dueMs)) {
      const waits = this.#isRefused ? [] : [timer(clock, dueMs - clock.monotonicMs())];
      yield anyOf([this.#changed, ...waits]);
    }
    this.#isHurried = false;
  }

  #onAttemptFailed({ error, message }: LinkError): void {
    this.#isRefused = error === linuxerr.EACCES && this.#options.newToken !== true;
    if (this.#isRefused || this.#isOverdue) this.#fail(message);
    else if (message !== this.#reason) this.#setState(this.#state, message);
  }

  /** Calls have waited for long enough. */
  #fail(reason: string): void {
    this.#stopDeadline();
    this.#setState('failed', reason);
    this.#calls.failAll();
    this.#changed.wakeAll();
  }

  #startDeadline(): void {
    this.#stopDeadline();
    const { clock, timeoutMs } = this.#options;
    this.#cancelDeadline = clock.setTimer(timeoutMs, () => {
      this.#isOverdue = true;
      // With a link it goes on; if that breaks as well, enough is enough.
      if (!this.#calls.hasLink) this.#fail(this.#reason ?? 'there is no link');
    });
  }

  #stopDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#isOverdue = false;
  }

  #onLinkGone(): void {
    this.#keepAlive.stop();
    const reason = this.#link?.reason;
    if (this.#state === 'connected') {
      const heldMs = this.#options.clock.monotonicMs() - this.#connectedMs;
      if (heldMs >= STABLE_MS) this.#backoff.reset();
      this.#setState('reconnecting', reason);
      this.#startDeadline();
    } else if (this.#isOverdue) this.#fail(reason ?? 'there is no link');
  }

  #setState(state: LinkStatus['state'], reason: string | undefined): void {
    this.#state = state;
    this.#reason = reason;
    this.#report();
  }

  #report(): void {
    this.#options.onStatus?.(this.status);
  }

  // ---- Sessions ----

  /** A server may close the link when it is asked for gVisor's versions. Errors: LinkError. */
  *#establishFirst(): Op<void> {
    try {
      yield* this.#establish();
    } catch (error) {
      const isUnagreed = this.#sessionCount === 0 && this.#link?.isGone === true;
      if (!(error instanceof LinkError) || !isUnagreed || this.#versionMax === 0) throw error;
      this.#versionMax = 0;
      yield* this.#establish();
    }
  }

  /** A link, and a session on it. Errors: LinkError. */
  *#establish(): Op<void> {
    const { connect, clock, msize } = this.#options;
    const transport = yield* openTransport({ connect, clock, timeoutMs: CONNECT_MS });
    const link = new P9Link(transport, { clock, counts: this.#counts, user: this.#calls });
    link.msize = Math.min(link.msize, msize);
    this.#link = link;
    this.#calls.attach(link);
    link.start();
    const cancel = clock.setTimer(this.#keepAlive.patienceMs, () => {
      this.#keepAlive.onLate();
      link.fail('the server does not answer');
    });
    try {
      yield* this.#begin(link, cancel);
    } catch (error) {
      if (!(error instanceof LinuxError)) {
        link.close();
        throw error;
      }
      const message = link.isGone ? link.reason : error.meaning;
      link.close();
      yield* link.gone();
      throw new LinkError(error, message);
    } finally {
      cancel();
    }
  }

  /** Errors: LinuxError. */
  *#begin(link: P9Link, onAttached: () => void): Op<void> {
    const { aname, onSessionLost } = this.#options;
    this.#version = yield* agreeOnVersion(this.#calls, link, this.#versionMax);
    this.#versionMax = this.#version;
    this.#payloadMax = payloadSizeMax(link.msize);
    this.#sessionCount++;
    const isFirst = this.#root === undefined;
    this.#root = yield* attach(this.#calls, { rootFid: this.#rootFid, aname });
    onAttached();
    this.#keepAlive.start(link);
    if (!isFirst) yield* onSessionLost(this.#restoringCalls());
    if (link.isGone) throw linuxerr.EIO;
    this.#onConnected();
  }

  #restoringCalls(): RestoringCalls {
    const send = <Name extends MessageName>(
      name: Name,
      values: TMessage<Name>,
    ): Reply<RMessage<Name>> => this.#sendAs('urgent', name, values);
    return {
      root: this.#rootFid,
      send,
      *call(name, values) {
        return yield* send(name, values).wait();
      },
    };
  }

  #onConnected(): void {
    if (this.#state !== 'connecting') this.#reconnectCount++;
    this.#stopDeadline();
    this.#connectedMs = this.#options.clock.monotonicMs();
    this.#setState('connected', undefined);
    this.#calls.release();
  }
}
