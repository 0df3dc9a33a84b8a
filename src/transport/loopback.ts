// Loopback: two transports in one thread, joined by a link as slow and as unreliable as a test
// wants it. On the clock it is given, so that a FakeClock makes every run the same.
//
// A link keeps the order and loses nothing while it lives. It dies as links of TCP do: it falls
// silent, what is on its way is lost, and the ends are told at some later time, or never. To
// connect again is to make another.

import { linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Wait, WaitQueue } from '../lib/op.ts';
import { Inbox } from './inbox.ts';
import {
  assertMayClose,
  BUFFERED_BYTES_MAX,
  CLOSE_ABNORMAL,
  CLOSE_NORMAL,
  type CloseInfo,
  type Receiver,
  type Transport,
} from './transport.ts';

/** Which way a message goes. */
export type Direction = 'to server' | 'to client';

export interface LoopbackOptions {
  readonly clock: Clock;
  readonly messageSizeMax: number;
  readonly protocol?: string;
  /** Milliseconds a message takes. */
  readonly delayMs?: number;
  /** What a direction carries; without it, everything at once. */
  readonly bytesPerSecond?: number;
  /**
   * Asked as a message would arrive: true if the link has died before. `index` counts the messages
   * of a direction.
   */
  readonly isLost?: (message: { readonly direction: Direction; readonly index: number }) => boolean;
  /** Milliseconds after its death that the ends are told; without it they never are. */
  readonly noticeMs?: number;
}

/** A message, or the last word of a side. */
interface Parcel {
  readonly content: Uint8Array | CloseInfo;
  readonly departsMs: number;
  readonly arrivesMs: number;
}

export class LoopbackLink {
  readonly client: Transport;
  readonly server: Transport;
  readonly #clock: Clock;
  readonly #noticeMs: number | undefined;
  #isDead = false;
  readonly #ends: readonly LoopbackTransport[];

  constructor(options: LoopbackOptions) {
    this.#clock = options.clock;
    this.#noticeMs = options.noticeMs;
    const client = new LoopbackTransport(this, options, 'to server');
    const server = new LoopbackTransport(this, options, 'to client');
    client.peer = server;
    server.peer = client;
    this.#ends = [client, server];
    this.client = client;
    this.server = server;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The link falls silent: what is on its way is lost, and what is sent later. */
  die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    for (const end of this.#ends) end.loseAll();
    const noticeMs = this.#noticeMs;
    if (noticeMs === undefined) return;
    this.#clock.setTimer(noticeMs, () => {
      this.notice();
    });
  }

  /** Both ends find out that the link has died. */
  notice(): void {
    this.die();
    for (const end of this.#ends) end.break();
  }
}

class LoopbackTransport implements Transport {
  peer: LoopbackTransport | undefined;
  readonly protocol: string;
  readonly messageSizeMax: number;
  readonly #link: LoopbackLink;
  readonly #options: LoopbackOptions;
  readonly #direction: Direction;
  readonly #inbox = new Inbox();
  readonly #drained = new WaitQueue();
  /** On the way to the peer, in order. */
  #underway: Parcel[] = [];
  #cancelTimer: (() => void) | undefined;
  /** When all that was sent has departed. */
  #idleAtMs = 0;
  #arrivedCount = 0;
  /** Sent on the dead link. Nobody takes it off. */
  #stuckBytes = 0;

  constructor(link: LoopbackLink, options: LoopbackOptions, direction: Direction) {
    this.#link = link;
    this.#options = options;
    this.#direction = direction;
    this.protocol = options.protocol ?? 'lisafs';
    this.messageSizeMax = options.messageSizeMax;
  }

  get isOpen(): boolean {
    return !this.#inbox.isClosed;
  }

  get drained(): Wait {
    return this.#drained;
  }

  get bufferedBytes(): number {
    if (!this.isOpen) return 0;
    const nowMs = this.#options.clock.monotonicMs();
    const isHeldUp = this.#isHeldUp;
    const waiting = this.#underway.filter(({ departsMs }) => isHeldUp || departsMs > nowMs);
    return waiting.reduce((sum, { content }) => sum + sizeOf(content), this.#stuckBytes);
  }

  start(receiver: Receiver): void {
    this.#inbox.start(receiver);
  }

  pause(): void {
    if (this.isOpen) this.#inbox.pause();
  }

  resume(): void {
    if (!this.#inbox.isPaused) return;
    this.#inbox.resume();
    assertDefined(this.peer).#arm();
  }

  /** The other side takes nothing. */
  get #isHeldUp(): boolean {
    return assertDefined(this.peer).#inbox.isPaused;
  }

  send(message: Uint8Array): void {
    if (message.length > this.messageSizeMax) throw linuxerr.EMSGSIZE;
    if (!this.isOpen) return;
    if (this.#link.isDead) this.#stuckBytes += message.length;
    else this.#dispatch(message.slice());
  }

  close(code: number = CLOSE_NORMAL, reason = ''): void {
    assertMayClose(code, reason);
    if (!this.isOpen) return;
    this.#inbox.close({ code, reason, isLocal: true });
    this.resume();
    this.#drained.wakeAll();
    if (!this.#link.isDead) this.#dispatch({ code, reason, isLocal: false });
  }

  /** What was on the way to the peer is lost. */
  loseAll(): void {
    this.#stuckBytes = this.bufferedBytes;
    this.#underway = [];
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  break(): void {
    this.#inbox.close({ code: CLOSE_ABNORMAL, reason: 'the link broke', isLocal: false });
    this.#drained.wakeAll();
  }

  #dispatch(content: Uint8Array | CloseInfo): void {
    const { clock, delayMs = 0, bytesPerSecond = Infinity } = this.#options;
    const nowMs = clock.monotonicMs();
    const departsMs = Math.max(nowMs, this.#idleAtMs) + (sizeOf(content) / bytesPerSecond) * 1000;
    this.#idleAtMs = departsMs;
    this.#underway.push({ content, departsMs, arrivesMs: departsMs + delayMs });
    this.#arm();
  }

  /** Waits for the next thing to happen to what is under way. */
  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#underway.length === 0) return;
    if (this.#isHeldUp) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    // Departures matter to whoever waits for them.
    const departing = this.#underway.find(({ departsMs }) => departsMs > nowMs);
    const { arrivesMs } = assertDefined(this.#underway[0]);
    const nextMs = Math.min(arrivesMs, departing?.departsMs ?? Infinity);
    const onTime = (): void => {
      this.#cancelTimer = undefined;
      this.#carry();
    };
    if (nextMs > nowMs) {
      this.#cancelTimer = clock.setTimer(nextMs - nowMs, onTime);
      return;
    }
    let isCancelled = false;
    this.#cancelTimer = () => {
      isCancelled = true;
    };
    queueMicrotask(() => {
      if (!isCancelled) onTime();
    });
  }

  /** Hands over what has arrived. */
  #carry(): void {
    const nowMs = this.#options.clock.monotonicMs();
    while (this.#underway[0] !== undefined && this.#underway[0].arrivesMs <= nowMs) {
      if (this.#isHeldUp) return;
      const { isLost } = this.#options;
      const index = this.#arrivedCount;
      if (isLost?.({ direction: this.#direction, index }) === true) {
        this.#link.die();
        return;
      }
      this.#arrivedCount++;
      const { content } = assertDefined(this.#underway.shift());
      assertDefined(this.peer).#take(content);
    }
    if (this.bufferedBytes <= BUFFERED_BYTES_MAX) this.#drained.wakeAll();
    this.#arm();
  }

  #take(content: Uint8Array | CloseInfo): void {
    if (content instanceof Uint8Array) {
      this.#inbox.deliver(content);
      return;
    }
    this.#inbox.close(content);
    this.#drained.wakeAll();
  }
}

function sizeOf(content: Uint8Array | CloseInfo): number {
  return content instanceof Uint8Array ? content.length : 0;
}
