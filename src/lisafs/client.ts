// LisafsClient: the client's end of a link that may be slow and may break. It connects anew, goes
// on with its session, and sends again what wasn't answered, so that a request is done once.
//
// Mirrors gVisor pkg/lisafs/client.go in what it does for a filesystem.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import { anyOf, type Op } from '../lib/op.ts';
import { Connection, type LinkStatus } from '../link/connection.ts';
import { LinkError } from '../link/open-transport.ts';
import { hexOf } from '../lib/text.ts';
import type { Reply } from '../link/reply.ts';
import { ClientCalls } from './client-calls.ts';
import { ClosedFds } from './client-closes.ts';
import { ClientLink } from './client-link.ts';
import { mount, type MountedRoot } from './client-mount.ts';
import type { LisafsClientOptions } from './client-options.ts';
import { Recovery } from './client-recovery.ts';
import { ClientRequest, type SendOptions, type ValuesOf } from './client-request.ts';
import type { MessageName, RequestOf, ResponseOf } from './messages.ts';
import { CLIENT_FD_MIN } from './records.ts';

const NO_SESSION = new Uint8Array(0);

export class LisafsClient {
  readonly #options: LisafsClientOptions;
  readonly #calls: ClientCalls;
  readonly #connection: Connection;
  #sessionId: Uint8Array = NO_SESSION;
  #sessionNumber = 0;
  /** There was a session once, so the server knows what that is. */
  #hasHadSession = false;
  #root: MountedRoot | undefined;
  /** The host's that has what was written, and that of the session there is now; '' if unknown. */
  #bootVerifier = '';
  #nextVerifier = '';
  #recovery: Recovery | undefined;
  /** One that has come to nothing and hasn't ended yet. */
  #oldRecovery: Recovery | undefined;
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
    yield* client.#connection.open();
    return client;
  }

  private constructor(options: LisafsClientOptions) {
    const { clock } = options;
    this.#options = options;
    this.#closedFds = new ClosedFds((fds) => {
      if (!this.#connection.isClosed) this.#calls.add(new ClientRequest('Close', { fds }, 'close'));
    });
    this.#calls = new ClientCalls({
      clock,
      onPush: (...push) => {
        if (push[0] === 'Drain') this.#connection.resetBackoff();
        options.onPush(...push);
      },
      onAwaiting: () => {
        this.#connection.keepAlive.onAwaiting();
      },
      onLinkGone: () => {
        this.#connection.onLinkGone();
      },
    });
    this.#connection = new Connection(options, {
      calls: this.#calls,
      establish: () => this.#establish(),
      probe: () => {
        const ping = ClientRequest.ping();
        return this.#calls.probe(ping) ? ping : undefined;
      },
      onEnd: () => {
        this.#recovery?.supersede();
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
    return this.#connection.status;
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
    if (this.#connection.isOver) request.settle(linuxerr.EIO);
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

  /**
   * Closes what was to be closed soon, and waits until the server has done so, so that there is
   * room for others. Errors: EIO if nobody knows.
   */
  *closeNow(): Op<void> {
    const fds = this.#closedFds.take();
    const session = this.#sessionNumber;
    // Another session's numbers may be other files'.
    const values = (): RequestOf<'Close'> => ({ fds: session === this.session ? [...fds] : [] });
    yield* this.call('Close', values);
  }

  /** Measures the round trip, if that can be at the moment. */
  measure(): void {
    this.#connection.measure();
  }

  // ---- By hand ----

  /** Tries again now, and calls wait for it. Does nothing while there is a link. */
  reconnectNow(): void {
    this.#connection.reconnectNow();
  }

  /** Sends what waits to be sent, and ends the session when it is answered, or time is up. */
  *close(): Op<void> {
    if (this.#connection.isClosed) return;
    this.#closedFds.flush();
    yield* this.#connection.close();
  }

  /** Ends at once: what waits fails with EIO. The server keeps the session for its grace. */
  abort(): void {
    this.#connection.abort();
  }

  // ---- Sessions ----

  /** A link, and a session on it. Errors: LinkError. */
  *#establish(): Op<void> {
    let link = yield* this.#openLink();
    try {
      let answer = yield* this.#startSession(link);
      if (answer === 'unknown') {
        yield* link.gone();
        link = yield* this.#openLink();
        link.skipSession();
        answer = undefined;
      }
      yield* this.#begin(link, answer);
    } catch (error) {
      yield* this.#giveUp(link, error);
    }
  }

  *#openLink(): Op<ClientLink> {
    const { clock } = this.#options;
    const transport = yield* this.#connection.openTransport();
    const link = new ClientLink(transport, { clock, counts: this.#connection.counts });
    this.#connection.use(link);
    return link;
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
      this.#nextVerifier = hexOf(answer?.bootVerifier ?? NO_SESSION);
      if (this.#root === undefined) this.#bootVerifier = this.#nextVerifier;
      else this.#recovery = new Recovery({ ...mounted, ...this.#sinceBoot }, this.#calls);
      this.#root = mounted;
    }
    this.#connection.keepAlive.start(link);
    if (this.#recovery !== undefined) yield* this.#recover(link, this.#recovery);
    if (link.isGone) throw linuxerr.EIO;
    this.#connection.onConnected();
  }

  /** 'unknown' if the server has closed the link rather than answer. Errors: LinuxError. */
  *#startSession(link: ClientLink): Op<ResponseOf<'Session'> | 'unknown' | undefined> {
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    const asked = { headerVersion: 2, sessionId: this.#sessionId, ...this.#calls.seen };
    try {
      const answer = yield* link.startSession(asked, this.#connection.keepAlive.patienceMs);
      if (answer !== undefined) this.#hasHadSession = true;
      if (answer?.isResumed === true && this.#sessionId.length === 0) {
        throw link.fail('the server goes on with a session that there was not');
      }
      this.#connection.keepAlive.measured(clock.monotonicMs() - sentMs, 'Session');
      return answer;
    } catch (error) {
      if (error === linuxerr.ETIMEDOUT) this.#connection.keepAlive.onLate();
      const isUnknown = link.isClosedByServer && !this.#hasHadSession;
      if (error instanceof LinuxError && error !== linuxerr.EACCES && isUnknown) return 'unknown';
      throw error;
    }
  }

  get #sinceBoot(): { readonly hasHostRestarted: boolean } {
    const [before, now] = [this.#bootVerifier, this.#nextVerifier];
    return { hasHostRestarted: before !== '' && now !== '' && before !== now };
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
    const cancel = this.#connection.limitPatience(link);
    try {
      return yield* mount(this.#calls, link, this.#options.attach);
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
    if (this.#nextVerifier !== '') this.#bootVerifier = this.#nextVerifier;
    this.#recovery = undefined;
  }
}
