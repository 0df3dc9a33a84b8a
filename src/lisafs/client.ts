// LisafsClient: the client's end of a link that may be slow and may break. It connects anew, goes
// on with its session, and sends again what wasn't answered, so that a request is done once.
//
//   connecting ─ connected ⇄ reconnecting ⇄ failed;  all → closed
//
// Mirrors gVisor pkg/lisafs/client.go in what it does for a filesystem.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import { anyOf, type Interruption, type Op, runAsync, timer, WaitQueue } from '../lib/op.ts';
import { Backoff, jitterFrom } from './client-backoff.ts';
import { ClientCalls } from './client-calls.ts';
import { ClosedFds } from './client-closes.ts';
import { LinkError, openTransport } from './client-connect.ts';
import { KeepAlive } from './client-keep-alive.ts';
import { ClientLink } from './client-link.ts';
import { mount, type MountedRoot } from './client-mount.ts';
import type { LinkStatus, LisafsClientOptions } from './client-options.ts';
import { Recovery } from './client-recovery.ts';
import { ClientRequest, type Reply, type SendOptions, type ValuesOf } from './client-request.ts';
import type { MessageName, ResponseOf } from './messages.ts';
import { CLIENT_FD_MIN } from './records.ts';

/** How long opening a link may take. */
const CONNECT_MS = 20_000;
/** Time between attempts when nobody waits for them any more. */
const FAILED_RETRY_MS = 30_000;
/** A link that held so long was a good one: the next attempt is made soon. */
const STABLE_MS = 10_000;

const NO_SESSION = new Uint8Array(0);

/** The client is closed, whatever it was doing. */
class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

export class LisafsClient {
  readonly #options: LisafsClientOptions;
  readonly #calls: ClientCalls;
  readonly #keepAlive: KeepAlive;
  readonly #backoff: Backoff;
  readonly #counts = { sentBytes: 0, receivedBytes: 0 };
  #state: LinkStatus['state'] = 'connecting';
  #reason: string | undefined;
  #reconnectCount = 0;
  #link: ClientLink | undefined;
  #connectedMs = 0;
  #sessionId: Uint8Array = NO_SESSION;
  #sessionNumber = 0;
  /** There was a session once, so the server knows what that is. */
  #hasHadSession = false;
  #root: MountedRoot | undefined;
  #recovery: Recovery | undefined;
  /** One that has come to nothing and hasn't ended yet. */
  #oldRecovery: Recovery | undefined;
  #cancelDeadline: (() => void) | undefined;
  #isOverdue = false;
  /** Trying again would be of no use. */
  #isRefused = false;
  #isHurried = false;
  #isClosing = false;
  #interrupt: ((reason: Error) => void) | undefined;
  readonly #changed = new WaitQueue();
  #lastFd = CLIENT_FD_MIN - 1;
  readonly #closedFds: ClosedFds;

  /**
   * Connects, begins a session and mounts.
   *
   * Errors: those of `connect`; ENOENT, ENOTDIR if there is nothing to attach to; EMFILE if the
   * server has too many clients, ETIMEDOUT, EIO. The status says it in words.
   */
  static *connect(options: LisafsClientOptions): Op<LisafsClient> {
    const client = new LisafsClient(options);
    client.#report();
    try {
      yield* client.#establish();
    } catch (error) {
      client.#end(error instanceof LinkError ? error.message : undefined);
      throw error instanceof LinkError ? error.error : error;
    }
    client.#keepConnected();
    return client;
  }

  private constructor(options: LisafsClientOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.#backoff = new Backoff(random ?? jitterFrom(clock));
    this.#closedFds = new ClosedFds((fds) => {
      if (this.#state !== 'closed') this.#calls.add(new ClientRequest('Close', { fds }, 'close'));
    });
    this.#keepAlive = new KeepAlive({
      clock,
      ping: (onAnswered) => this.#ping(onAnswered),
      isAwaiting: () => this.#calls.isAwaiting,
      onLatency: () => {
        this.#report();
      },
    });
    this.#calls = new ClientCalls({
      clock,
      onPush: (...push) => {
        if (push[0] === 'Drain') this.#backoff.reset();
        options.onPush(...push);
      },
      onAwaiting: () => {
        this.#keepAlive.onAwaiting();
      },
      onLinkGone: () => {
        this.#onLinkGone();
      },
    });
  }

  /** Where it is attached, in the session there is now. */
  get root(): MountedRoot {
    return assertDefined(this.#root, 'a client is used before it has connected');
  }

  /** Counts sessions: the ids of FDs are those of one, but for those that a client chose. */
  get session(): number {
    return this.#sessionNumber;
  }

  /** Has the server said that it knows the message? Others fail with EOPNOTSUPP. */
  supports(name: MessageName): boolean {
    return this.#calls.supports(name);
  }

  /** Most bytes of a request's payload, and of a reply's. */
  get payloadMax(): number {
    return this.#calls.payloadMax;
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
   * Sends a request at once, or as soon as those before it have been sent. `values` is a function
   * if FD ids in it may change: it is called again when they have. Bytes in it may be used for
   * something else at once, unless it is a function.
   */
  send<Name extends MessageName>(
    name: Name,
    values: ValuesOf<Name>,
    options?: SendOptions,
  ): Reply<ResponseOf<Name>> {
    const request = new ClientRequest(name, values, 'call', options);
    const isUseless = this.#isClosing || this.#state === 'failed' || this.#state === 'closed';
    if (isUseless) request.settle(linuxerr.EIO);
    else this.#calls.add(request);
    return request as Reply<unknown> as Reply<ResponseOf<Name>>;
  }

  /** Sends a request, and waits for the answer. Errors: as Reply.wait(). */
  *call<Name extends MessageName>(name: Name, values: ValuesOf<Name>): Op<ResponseOf<Name>> {
    return yield* this.send(name, values).wait();
  }

  /** Gives up a SetLock that waits: it fails with EINTR, unless it has just been granted. */
  cancelLock(reply: Reply<unknown>): void {
    this.#calls.cancelLock(reply as ClientRequest);
  }

  /** An id for CreateWrite or MkdirAs, larger than all before: to be sent in that order. */
  nextFd(): number {
    this.#lastFd++;
    return this.#lastFd;
  }

  /** Nobody needs this FD of the session any more. Closed soon, after what was sent so far. */
  closeFd(fd: number): void {
    this.#closedFds.add(fd);
  }

  #ping(onAnswered: () => void): boolean {
    const request = ClientRequest.ping();
    if (!this.#calls.probe(request)) return false;
    request.onSettled((error) => {
      if (error === undefined) onAnswered();
    });
    return true;
  }

  /** Measures the round trip, if that can be at the moment. */
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

  /** Sends what waits to be sent, and ends the session when it is answered, or time is up. */
  *close(): Op<void> {
    if (this.#state === 'closed') return;
    this.#closedFds.flush();
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

  /** Ends at once: what waits fails with EIO. The server keeps the session for its grace. */
  abort(): void {
    this.#end('the link was given up');
  }

  #end(reason: string | undefined): void {
    if (this.#state === 'closed') return;
    this.#stopDeadline();
    this.#keepAlive.stop();
    this.#setState('closed', reason);
    this.#recovery?.supersede();
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

  /** A link, and a session on it. Errors: LinkError. */
  *#establish(): Op<void> {
    const link = yield* this.#openLink();
    try {
      let answer = yield* this.#startSession(link);
      if (answer === 'unknown') {
        yield* link.gone();
        const other = yield* this.#openLink();
        other.skipSession();
        answer = undefined;
      }
      yield* this.#begin(assertDefined(this.#link), answer);
    } catch (error) {
      yield* this.#giveUp(assertDefined(this.#link), error);
    }
  }

  *#openLink(): Op<ClientLink> {
    const { connect, clock } = this.#options;
    const transport = yield* openTransport({ connect, clock, timeoutMs: CONNECT_MS });
    this.#link = new ClientLink(transport, { clock, counts: this.#counts });
    return this.#link;
  }

  /** Errors: LinkError; what isn't expected. */
  *#giveUp(link: ClientLink, error: unknown): Op<never> {
    const isExpected = error instanceof LinuxError;
    const message = link.isGone || !isExpected ? link.reason : error.meaning;
    // A session that nobody has used yet isn't worth keeping, one that goes on is.
    if (this.#sessionId === NO_SESSION) link.close();
    else link.fail('the session can not be used');
    if (!isExpected) throw error;
    yield* link.gone();
    throw new LinkError(error, message);
  }

  /** Errors: LinuxError. */
  *#begin(link: ClientLink, answer: ResponseOf<'Session'> | undefined): Op<void> {
    const inFlightMax = answer?.inFlightMax ?? 1;
    if (answer?.isResumed === true) {
      this.#calls.attach(link, { inFlightMax });
    } else {
      this.#loseSession();
      this.#calls.attach(link, { inFlightMax });
      const mounted = yield* this.#mount(link);
      if (answer !== undefined) this.#sessionId = answer.sessionId.slice();
      if (this.#root !== undefined) this.#recovery = new Recovery(mounted, this.#calls);
      this.#root = mounted;
    }
    this.#keepAlive.start(link);
    if (this.#recovery !== undefined) yield* this.#recover(link, this.#recovery);
    if (link.isGone) throw linuxerr.EIO;
    this.#onConnected();
  }

  /** 'unknown' if the server has closed the link rather than answer. Errors: LinuxError. */
  *#startSession(link: ClientLink): Op<ResponseOf<'Session'> | 'unknown' | undefined> {
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    const asked = { headerVersion: 2, sessionId: this.#sessionId, ...this.#calls.seen };
    try {
      const answer = yield* link.startSession(asked, this.#keepAlive.patienceMs);
      if (answer !== undefined) this.#hasHadSession = true;
      if (answer?.isResumed === true && this.#sessionId.length === 0) {
        throw link.fail('the server goes on with a session that there was not');
      }
      this.#keepAlive.measured(clock.monotonicMs() - sentMs, 'Session');
      return answer;
    } catch (error) {
      if (error === linuxerr.ETIMEDOUT) this.#keepAlive.onLate();
      const isUnknown = link.isClosedByServer && !this.#hasHadSession;
      if (error instanceof LinuxError && error !== linuxerr.EACCES && isUnknown) return 'unknown';
      throw error;
    }
  }

  #loseSession(): void {
    this.#sessionId = NO_SESSION;
    this.#sessionNumber++;
    this.#closedFds.forget();
    this.#recovery?.supersede();
    if (this.#recovery?.isRunning === true) this.#oldRecovery = this.#recovery;
    this.#recovery = undefined;
    this.#calls.loseSession();
  }

  *#mount(link: ClientLink): Op<MountedRoot> {
    const { clock, attach } = this.#options;
    const cancel = clock.setTimer(this.#keepAlive.patienceMs, () => {
      this.#keepAlive.onLate();
      link.fail('the server does not answer');
    });
    try {
      return yield* mount(this.#calls, link, attach);
    } finally {
      cancel();
    }
  }

  /** Until the recovery has ended, or the link is gone. Errors: LinuxError. */
  *#recover(link: ClientLink, recovery: Recovery): Op<void> {
    while (this.#oldRecovery?.isRunning === true) {
      if (link.isGone) throw linuxerr.EIO;
      yield anyOf([this.#oldRecovery.ended, link.changed]);
    }
    this.#oldRecovery = undefined;
    recovery.start(this.#options.onSessionLost);
    while (!recovery.isEnded) {
      if (link.isGone) throw linuxerr.EIO;
      yield anyOf([recovery.ended, link.changed]);
    }
    if (recovery.error !== undefined) {
      recovery.throwBug();
      // What it has done so far is of no use to another.
      this.#sessionId = NO_SESSION;
      throw linuxerr.EIO;
    }
    this.#recovery = undefined;
  }

  #onConnected(): void {
    if (this.#state !== 'connecting') this.#reconnectCount++;
    this.#stopDeadline();
    this.#connectedMs = this.#options.clock.monotonicMs();
    this.#setState('connected', undefined);
    this.#calls.release();
  }
}
