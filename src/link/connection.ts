// Connection: what keeps a client connected, whatever the protocol: it opens links, one after the
// other, and tells how things are.
//
//   connecting ─ connected ⇄ reconnecting ⇄ failed;  all → closed

import { linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import {
  anyOf,
  type Interruption,
  type Op,
  runAsync,
  timer,
  type Wait,
  WaitQueue,
} from '../lib/op.ts';
import type { Transport } from '../transport/transport.ts';
import { Backoff, jitterFrom } from './backoff.ts';
import { KeepAlive } from './keep-alive.ts';
import type { LinkCounts } from './link.ts';
import { LinkError, openTransport } from './open-transport.ts';
import type { Reply } from './reply.ts';

/** How long opening a link may take. */
const CONNECT_MS = 20_000;
/** Time between attempts when nobody waits for them any more. */
const FAILED_RETRY_MS = 30_000;
/** A link that held so long was a good one: the next attempt is made soon. */
const STABLE_MS = 10_000;

export interface LinkStatus {
  readonly state: 'connecting' | 'connected' | 'reconnecting' | 'failed' | 'closed';
  /** Why it isn't connected, for people. */
  readonly reason: string | undefined;
  /** Of a round trip, smoothed. */
  readonly latencyMs: number | undefined;
  readonly requestCount: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly reconnectCount: number;
}

/** Part of the options of every client. */
export interface ConnectionOptions {
  /**
   * Opens a new link; called again whenever the old one is gone. Rejects with a LinuxError, or a
   * ConnectError that also says it in words. EACCES (the token is refused) is final, but with
   * `newToken`; others are tried again.
   */
  readonly connect: () => Promise<Transport>;
  /** The next link may come with another token: one that was refused is no reason to give up. */
  readonly newToken?: boolean;
  readonly clock: Clock;
  /** How long calls wait for a link before they fail with EIO, in milliseconds. */
  readonly timeoutMs: number;
  readonly onStatus?: (status: LinkStatus) => void;
  /** At least 0, less than 1: so that clients don't come back all at the same time. */
  readonly random?: () => number;
}

/** The requests of a client. */
export interface ConnectionCalls {
  readonly hasLink: boolean;
  readonly isAwaiting: boolean;
  readonly isIdle: boolean;
  /** Woken when it may have become idle. */
  readonly idle: Wait;
  readonly requestCount: number;
  /** All that wait are told that there is no link. */
  failAll(): void;
  /** There is a session: what waits is sent. */
  release(): void;
}

/** What is the protocol's affair. */
export interface ConnectionUser {
  readonly calls: ConnectionCalls;
  /** A link, given to use(), and a session on it. Errors: LinkError. */
  establish(): Op<void>;
  /** Asks the server for as little as there is. Undefined if that can't be at the moment. */
  probe(): Reply<unknown> | undefined;
  /** The client is closed; requests have not been told yet. */
  onEnd?(): void;
}

/** A link, as far as this needs to know. */
interface UsedLink {
  readonly isGone: boolean;
  readonly reason: string;
  gone(): Op<void>;
  fail(problem: string): Error;
  close(): void;
}

/** The client is closed, whatever it was doing. */
class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

export class Connection {
  readonly keepAlive: KeepAlive;
  readonly counts: LinkCounts = { sentBytes: 0, receivedBytes: 0 };
  readonly #options: ConnectionOptions;
  readonly #user: ConnectionUser;
  readonly #backoff: Backoff;
  #state: LinkStatus['state'] = 'connecting';
  #reason: string | undefined;
  #reconnectCount = 0;
  #link: UsedLink | undefined;
  #connectedMs = 0;
  #cancelDeadline: (() => void) | undefined;
  #isOverdue = false;
  /** Trying again would be of no use. */
  #isRefused = false;
  #isHurried = false;
  #isClosing = false;
  #interrupt: ((reason: Error) => void) | undefined;
  readonly #changed = new WaitQueue();

  constructor(options: ConnectionOptions, user: ConnectionUser) {
    const { clock, random } = options;
    this.#options = options;
    this.#user = user;
    this.#backoff = new Backoff(random ?? jitterFrom(clock));
    this.keepAlive = new KeepAlive({
      clock,
      ping: (onAnswered) => this.#ping(onAnswered),
      isAwaiting: () => user.calls.isAwaiting,
      onLatency: () => {
        this.#report();
      },
    });
  }

  get status(): LinkStatus {
    return {
      state: this.#state,
      reason: this.#reason,
      latencyMs: this.keepAlive.latencyMs,
      requestCount: this.#user.calls.requestCount,
      ...this.counts,
      reconnectCount: this.#reconnectCount,
    };
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Nothing is sent any more: what is asked now fails at once. */
  get isOver(): boolean {
    return this.#isClosing || this.#state === 'failed' || this.#state === 'closed';
  }

  /** Connects, and sees to it that it stays so. Errors: LinuxError; the status has it in words. */
  *open(): Op<void> {
    this.#report();
    try {
      yield* this.#user.establish();
    } catch (error) {
      this.#end(error instanceof LinkError ? error.message : undefined);
      throw error instanceof LinkError ? error.error : error;
    }
    this.#keepConnected();
  }

  /** Errors: LinkError. */
  openTransport(): Op<Transport> {
    const { connect, clock } = this.#options;
    return openTransport({ connect, clock, timeoutMs: CONNECT_MS });
  }

  use(link: UsedLink): void {
    this.#link = link;
  }

  /** Gives a link up if the server takes too long to answer. Returns what ends that. */
  limitPatience(link: UsedLink): () => void {
    return this.#options.clock.setTimer(this.keepAlive.patienceMs, () => {
      this.keepAlive.onLate();
      link.fail('the server does not answer');
    });
  }

  /** The next attempt is made soon. */
  resetBackoff(): void {
    this.#backoff.reset();
  }

  #ping(onAnswered: () => void): boolean {
    const reply = this.#user.probe();
    reply?.onSettled((error) => {
      if (error === undefined) onAnswered();
    });
    return reply !== undefined;
  }

  /** Measures the round trip, if that can be at the moment; the status says it later. */
  measure(): void {
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    this.#ping(() => {
      this.keepAlive.measured(clock.monotonicMs() - sentMs, 'Ping');
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

  /** Sends what waits to be sent, and ends when it is answered, or time is up. */
  *close(): Op<void> {
    if (this.isClosed) return;
    this.#isClosing = true;
    const { clock, timeoutMs } = this.#options;
    const { calls } = this.#user;
    const endMs = clock.monotonicMs() + timeoutMs;
    try {
      while (!calls.isIdle && this.#state !== 'failed' && clock.monotonicMs() < endMs) {
        const late = timer(clock, endMs - clock.monotonicMs());
        yield anyOf([calls.idle, this.#changed, late]);
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
    if (this.isClosed) return;
    this.#stopDeadline();
    this.keepAlive.stop();
    this.#setState('closed', reason);
    this.#user.onEnd?.();
    this.#user.calls.failAll();
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
        yield* this.#user.establish();
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
    this.#user.calls.failAll();
    this.#changed.wakeAll();
  }

  #startDeadline(): void {
    this.#stopDeadline();
    const { clock, timeoutMs } = this.#options;
    this.#cancelDeadline = clock.setTimer(timeoutMs, () => {
      this.#isOverdue = true;
      // With a link it goes on; if that breaks as well, enough is enough.
      if (!this.#user.calls.hasLink) this.#fail(this.#reason ?? 'there is no link');
    });
  }

  #stopDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#isOverdue = false;
  }

  onLinkGone(): void {
    this.keepAlive.stop();
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

  /** There is a session. */
  onConnected(): void {
    if (this.#state !== 'connecting') this.#reconnectCount++;
    this.#stopDeadline();
    this.#connectedMs = this.#options.clock.monotonicMs();
    this.#setState('connected', undefined);
    this.#user.calls.release();
  }
}
