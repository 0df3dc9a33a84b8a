// P9Calls: the requests of a client, by tag, whatever link there is. Each link is a session of its
// own: when one is gone, what was under way is sent again by the next if that does no harm, and
// fails with EIO otherwise. Ordinary requests wait until fids are what they were.

import { errorFromErrno, LinuxError, linuxerr } from '../abi/errno.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';
import { nextMacrotask } from '../lib/macrotask.ts';
import { WireError } from '../lib/wire-buffer.ts';
import { ClientFids } from './client-fids.ts';
import type { P9Link, P9LinkUser } from './client-link.ts';
import { dependsOn } from './client-order.ts';
import { P9Request } from './client-request.ts';
import type { Frame } from './frame.ts';
import { MESSAGES, type MessageName, messageOfType, messageRow } from './messages.ts';
import { NOTAG, type Qid } from './records.ts';

/** Requests under way at a time; diod has so many threads, and others need no more. */
const IN_FLIGHT_MAX = 128;
/** So many of those that wait are looked through for one that may be sent. */
const LOOKAHEAD_MAX = 64;
/** A tag that no request has. */
export const UNUSED_TAG = NOTAG - 1;

export interface P9CallsOptions {
  /** Nobody else changes anything. */
  readonly isAlone: boolean;
  /** Something is awaited, where nothing was. */
  readonly onAwaiting: () => void;
  readonly onLinkGone: () => void;
}

export class P9Calls implements P9LinkUser {
  readonly fids: ClientFids;
  readonly #options: P9CallsOptions;
  #link: P9Link | undefined;
  #isHeld = true;
  readonly #sent = new Map<number, P9Request>();
  /** Tags whose Tflush isn't answered: not to be used anew before. */
  readonly #flushing = new Set<number>();
  #lastTag = 0;
  readonly #urgent: P9Request[] = [];
  readonly #queue: P9Request[] = [];
  /** Under way when a link was lost: perhaps they were done. */
  #unsure: P9Request[] = [];
  #unusedFids: number[] = [];
  #cancelDrained: (() => void) | undefined;
  readonly #idle = new WaitQueue();
  requestCount = 0;

  constructor(options: P9CallsOptions) {
    this.#options = options;
    this.fids = new ClientFids((fid) => {
      this.#clunkSoon(fid);
    });
  }

  get hasLink(): boolean {
    return this.#link !== undefined;
  }

  get isAwaiting(): boolean {
    return this.#sent.size > 0;
  }

  get isIdle(): boolean {
    const pending = [...this.#unsure, ...this.#queue, ...this.#sent.values()];
    return pending.every(({ kind }) => kind !== 'call') && this.#unusedFids.length === 0;
  }

  /** Woken when it may have become idle. */
  get idle(): Wait {
    return this.#idle;
  }

  /** Sends it as soon as its turn comes. */
  add(request: P9Request): void {
    try {
      request.encode();
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      request.settle(error);
      return;
    }
    const { fids, madeFid } = request;
    this.fids.use(fids);
    request.onSettled((error) => {
      this.fids.unuse(fids);
      if (error !== undefined && madeFid !== undefined) this.fids.onNotMade(madeFid);
    });
    (request.kind === 'urgent' ? this.#urgent : this.#queue).push(request);
    this.#pump();
  }

  /** Sends it at once, if there is room for it. */
  probe(request: P9Request): boolean {
    if (this.#link === undefined || this.#sent.size >= 2 * IN_FLIGHT_MAX) return false;
    this.#send(this.#link, request);
    return true;
  }

  /** Nobody wants to know any more: it fails with EINTR, unless it has just been done. */
  abandon(request: P9Request): void {
    for (const queue of [this.#queue, this.#unsure]) {
      const index = queue.indexOf(request);
      if (index < 0) continue;
      queue.splice(index, 1);
      request.settle(linuxerr.EINTR);
      return;
    }
    const { tag: oldtag } = request;
    if (oldtag === undefined || this.#sent.get(oldtag) !== request) return;
    const link = this.#link;
    if (link === undefined || this.#flushing.has(oldtag)) return;
    this.#flushing.add(oldtag);
    const flush = new P9Request('flush', { oldtag }, { kind: 'probe' });
    flush.onSettled(() => {
      if (this.#link !== link) return;
      this.#flushing.delete(oldtag);
      if (this.#sent.get(oldtag) !== request) return;
      this.#sent.delete(oldtag);
      request.settle(linuxerr.EINTR);
      this.#pump();
    });
    this.#send(link, flush);
  }

  // ---- Links ----

  /** A new link: nothing of the last session's is there. */
  attach(link: P9Link): void {
    this.#link = link;
  }

  onGone(): void {
    this.#link = undefined;
    this.#isHeld = true;
    this.#cancelDrained?.();
    this.#cancelDrained = undefined;
    this.#flushing.clear();
    this.fids.loseAll();
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    const lost = [...this.#urgent.splice(0)];
    for (const request of sent) {
      request.tag = undefined;
      if (request.kind === 'call' && !request.isAbandoned) this.#unsure.push(request);
      else lost.push(request);
    }
    for (const request of lost) request.settle(linuxerr.EIO);
    this.#options.onLinkGone();
  }

  /**
   * Fids are what they were again. What may be done twice is sent again; nobody knows whether the
   * others were done.
   */
  release(): void {
    this.#isHeld = false;
    const unsure = this.#unsure;
    this.#unsure = [];
    const { isAlone } = this.#options;
    const mayBeRepeated = (request: P9Request): boolean =>
      request.isRetrySafe && (isAlone || !request.isChange);
    this.#queue.unshift(...unsure.filter(mayBeRepeated));
    for (const request of unsure) if (!mayBeRepeated(request)) request.settle(linuxerr.EIO);
    this.#pump();
  }

  /** All that wait are told that there is no link. */
  failAll(): void {
    const failed = [...this.#unsure.splice(0), ...this.#urgent.splice(0), ...this.#queue.splice(0)];
    for (const request of failed) request.settle(linuxerr.EIO);
    this.#idle.wakeAll();
  }

  // ---- Sending ----

  #pump(): void {
    for (;;) {
      const link = this.#link;
      if (link === undefined || link.isGone) return;
      if (link.isCongested) {
        this.#cancelDrained ??= link.drained.subscribe(() => {
          this.#cancelDrained = undefined;
          this.#pump();
        });
        return;
      }
      if (this.#sent.size >= IN_FLIGHT_MAX) return;
      const request = this.#urgent.shift() ?? (this.#isHeld ? undefined : this.#takeNext());
      if (request === undefined) return;
      // It was of a session that is gone, and could not be found again.
      if (request.fids.every((fid) => this.fids.isLive(fid))) this.#send(link, request);
      else request.settle(linuxerr.EIO);
    }
  }

  /** The first that depends on nothing before it. */
  #takeNext(): P9Request | undefined {
    for (const [index, request] of this.#queue.slice(0, LOOKAHEAD_MAX).entries()) {
      const before = [...this.#sent.values(), ...this.#queue.slice(0, index)];
      if (before.some((earlier) => dependsOn(request, earlier, this.fids))) continue;
      this.#queue.splice(index, 1);
      return request;
    }
    return undefined;
  }

  #send(link: P9Link, request: P9Request): void {
    const tag = request.name === 'version' ? NOTAG : this.#newTag();
    let frame: Uint8Array;
    try {
      frame = request.frame(tag, link.msize);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      request.settle(error);
      return;
    }
    const wasAwaiting = this.isAwaiting;
    this.#sent.set(tag, request);
    this.requestCount++;
    link.send(frame);
    if (!wasAwaiting) this.#options.onAwaiting();
  }

  #newTag(): number {
    do this.#lastTag = (this.#lastTag + 1) % UNUSED_TAG;
    while (this.#sent.has(this.#lastTag) || this.#flushing.has(this.#lastTag));
    return this.#lastTag;
  }

  /** Many at once, when whoever has closed them has done, and after what was asked before. */
  #clunkSoon(fid: number): void {
    if (!this.fids.isLive(fid)) {
      this.#releaseUnlessAwaited(fid);
      return;
    }
    this.#unusedFids.push(fid);
    if (this.#unusedFids.length > 1) return;
    void nextMacrotask().then(() => {
      this.flushClunks();
    });
  }

  flushClunks(): void {
    for (const fid of this.#unusedFids.splice(0)) {
      if (this.#link === undefined || !this.fids.isLive(fid)) {
        this.fids.release(fid);
        continue;
      }
      const clunk = new P9Request('clunk', { fid }, { kind: 'clunk' });
      clunk.onSettled(() => {
        this.fids.release(fid);
      });
      this.#send(this.#link, clunk);
    }
    this.#idle.wakeAll();
  }

  /** The same, and waits for the answers to all. A link that is gone leaves none. */
  *clunkNow(): Op<void> {
    this.flushClunks();
    const clunks = [...this.#sent.values()].filter(({ kind }) => kind === 'clunk');
    for (const clunk of clunks) while (!clunk.isSettled) yield clunk.settled;
  }

  /** One that a request is to make comes back here if that is done. */
  #releaseUnlessAwaited(fid: number): void {
    const pending = [...this.#unsure, ...this.#queue, ...this.#urgent, ...this.#sent.values()];
    if (!pending.some(({ madeFid }) => madeFid === fid)) this.fids.release(fid);
  }

  // ---- What comes ----

  onFrame(frame: Frame): void {
    const link = this.#link;
    if (link === undefined) return;
    const request = this.#sent.get(frame.tag);
    if (request === undefined) {
      link.fail('the server answered what it was not asked');
      return;
    }
    this.#sent.delete(frame.tag);
    this.#answer(link, request, frame);
    this.#pump();
    this.#idle.wakeAll();
  }

  #answer(link: P9Link, request: P9Request, { type, body }: Frame): void {
    try {
      if (type === MESSAGES.lerror.type + 1) {
        const error = errorFromErrno(MESSAGES.lerror.R.decode(body).ecode);
        this.#onDone(request, undefined);
        request.settle(error === linuxerr.EREMOTEIO ? linuxerr.EIO : error);
        return;
      }
      const answered = messageOfType(type);
      if (answered?.kind === 'R' && answered.name === request.name) {
        const value = messageRow(request.name).R.decode(body);
        this.#onDone(request, value);
        request.settle(undefined, value);
        return;
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
    link.fail(`the server answered T${request.name} with something else`);
    request.settle(linuxerr.EIO);
  }

  /** Keeps account of fids. `value` is undefined if it failed. */
  #onDone(request: P9Request, value: unknown): void {
    const { name, madeFid, fids } = request;
    const isGone = ENDING.has(name);
    if (isGone) for (const fid of fids) this.fids.onGone(fid);
    if (value === undefined) return;
    const { qid, qids } = value as { readonly qid?: Qid; readonly qids?: readonly Qid[] };
    if (name === 'lcreate' || name === 'ucreate') {
      for (const fid of fids) this.fids.onMade(fid, qid);
      return;
    }
    if (madeFid === undefined) return;
    const asked = request.values.names?.length ?? 0;
    // A walk that ended on the way makes none.
    if (qids !== undefined && qids.length < asked) return;
    const from = fids[0] === undefined ? undefined : this.fids.pathOf(fids[0]);
    const own = from === undefined ? undefined : { type: 0, version: 0, path: from };
    this.fids.onMade(madeFid, qid ?? qids?.at(-1) ?? own);
    if (request.isAbandoned) this.fids.doom(madeFid);
  }
}

/** Their fid is gone, even if they fail. */
const ENDING: ReadonlySet<MessageName> = new Set(['clunk', 'remove', 'setattrclunk']);
