// KeepAlive: finds out whether there is still somebody at the other end. A link of TCP whose other
// side is gone says nothing for many minutes.

import type { Clock } from '../lib/clock.ts';

/** Nothing came for so long: the server is asked, if something is awaited, or if nothing is. */
const AWAITING_MS = 15_000;
const IDLE_MS = 30_000;
/** How long it may take to answer. A link was only slow, perhaps: the next has longer. */
const PATIENCE_MS = 10_000;
const PATIENCE_MAX_MS = 80_000;
/** Of a new measurement, in the smoothed one. RFC 6298, 2.3. */
const LATENCY_WEIGHT = 1 / 8;

/** A link, as far as this needs to know. */
export interface WatchedLink {
  readonly isGone: boolean;
  readonly lastReceivedMs: number;
  readonly bufferedBytes: number;
  fail(problem: string): Error;
}

export interface KeepAliveOptions {
  readonly clock: Clock;
  /** Sends Ping; false if that can't be at the moment. */
  readonly ping: (onAnswered: () => void) => boolean;
  readonly isAwaiting: () => boolean;
  readonly onLatency: () => void;
}

export class KeepAlive {
  readonly #options: KeepAliveOptions;
  #link: WatchedLink | undefined;
  #cancelTimer: (() => void) | undefined;
  #nextCheckMs = Infinity;
  /** When the first of the requests that are awaited was sent. */
  #awaitingSinceMs = 0;
  /** When the Ping that isn't answered was sent. */
  #pingedMs: number | undefined;
  /** When the other end last did something. */
  #progressMs = 0;
  #bufferedBytes = 0;
  #patienceMs = PATIENCE_MS;
  #hasPinged = false;
  latencyMs: number | undefined;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
  }

  /** How long an answer that needs no work may take. */
  get patienceMs(): number {
    return this.#patienceMs;
  }

  start(link: WatchedLink): void {
    this.stop();
    this.#link = link;
    this.#check();
  }

  stop(): void {
    this.#link = undefined;
    this.#pingedMs = undefined;
    this.#arm(Infinity);
  }

  /** Something is awaited, where nothing was. */
  onAwaiting(): void {
    if (this.#link === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#awaitingSinceMs = nowMs;
    if (this.#nextCheckMs > nowMs + AWAITING_MS) this.#arm(AWAITING_MS);
  }

  onLate(): void {
    this.#patienceMs = Math.min(PATIENCE_MAX_MS, 2 * this.#patienceMs);
  }

  /** 'Session' has the server do more than answer: the first Ping makes up for that. */
  measured(ms: number, by: 'Session' | 'Ping'): void {
    if (ms <= PATIENCE_MS) this.#patienceMs = PATIENCE_MS;
    const isFirst = by === 'Ping' && !this.#hasPinged;
    const { latencyMs = ms } = this;
    this.latencyMs = isFirst ? ms : latencyMs + LATENCY_WEIGHT * (ms - latencyMs);
    this.#hasPinged ||= by === 'Ping';
    this.#options.onLatency();
  }

  #arm(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { clock } = this.#options;
    this.#nextCheckMs = clock.monotonicMs() + ms;
    if (ms === Infinity) return;
    this.#cancelTimer = clock.setTimer(ms, () => {
      this.#cancelTimer = undefined;
      this.#check();
    });
  }

  #check(): void {
    const link = this.#link;
    if (link === undefined || link.isGone) return;
    if (this.#pingedMs !== undefined) {
      this.#checkPing(link);
      return;
    }
    const nowMs = this.#options.clock.monotonicMs();
    const awaitingMs = this.#options.isAwaiting() ? this.#awaitingSinceMs : Infinity;
    const awaitedMs = Math.max(link.lastReceivedMs, awaitingMs) + AWAITING_MS;
    const leftMs = Math.min(link.lastReceivedMs + IDLE_MS, awaitedMs) - nowMs;
    if (leftMs > 0) this.#arm(leftMs);
    else this.#ping(link, nowMs);
  }

  #ping(link: WatchedLink, nowMs: number): void {
    const onAnswered = (): void => {
      this.#pingedMs = undefined;
      this.measured(this.#options.clock.monotonicMs() - nowMs, 'Ping');
      if (this.#link === link) this.#check();
    };
    if (!this.#options.ping(onAnswered)) {
      this.#arm(AWAITING_MS);
      return;
    }
    this.#pingedMs = nowMs;
    this.#progressMs = nowMs;
    this.#bufferedBytes = link.bufferedBytes;
    this.#arm(this.#patienceMs);
  }

  /** The Ping may be behind much that has still to be sent. */
  #checkPing(link: WatchedLink): void {
    const nowMs = this.#options.clock.monotonicMs();
    const { bufferedBytes } = link;
    if (bufferedBytes < this.#bufferedBytes) this.#progressMs = nowMs;
    this.#bufferedBytes = bufferedBytes;
    this.#progressMs = Math.max(this.#progressMs, link.lastReceivedMs);
    const leftMs = this.#progressMs + this.#patienceMs - nowMs;
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    this.onLate();
    link.fail('the server does not answer any more');
  }
}
