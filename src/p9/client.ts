// P9Client: a client of a 9P2000.L server, over links that may break. Mirrors gVisor
// pkg/p9/client.go; Linux: net/9p/client.c. README.md says what happens when a link breaks.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Op } from '../lib/op.ts';
import { Connection, type LinkStatus } from '../link/connection.ts';
import { LinkError } from '../link/open-transport.ts';
import type { Reply } from '../link/reply.ts';
import { P9Calls, UNUSED_TAG } from './client-calls.ts';
import { P9Link } from './client-link.ts';
import type { P9ClientOptions, RestoringCalls } from './client-options.ts';
import { P9Request, type RequestKind } from './client-request.ts';
import { agreeOnVersion, attach, type P9Root } from './client-session.ts';
import { payloadSizeMax } from './frame.ts';
import { type MessageName, messageRow, type RMessage, type TMessage } from './messages.ts';

export class P9Client {
  readonly #options: P9ClientOptions;
  readonly #calls: P9Calls;
  readonly #connection: Connection;
  readonly #rootFid: number;
  #root: P9Root | undefined;
  #version = 0;
  #versionMax: number;
  #payloadMax = 0;
  /** Counts sessions: fids are of one. */
  #sessionCount = 0;

  /**
   * Connects and attaches. Errors: those of `connect`; the server's of attaching; EPROTONOSUPPORT,
   * ETIMEDOUT, EIO. The status says it in words.
   */
  static *connect(options: P9ClientOptions): Op<P9Client> {
    const client = new P9Client(options);
    yield* client.#connection.open();
    return client;
  }

  private constructor(options: P9ClientOptions) {
    this.#options = options;
    this.#versionMax = options.versionMax;
    this.#calls = new P9Calls({
      isAlone: options.isAlone,
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
      // The message that does least: what it is to flush was never sent.
      probe: () => {
        const flush = new P9Request('flush', { oldtag: UNUSED_TAG }, { kind: 'probe' });
        return this.#calls.probe(flush) ? flush : undefined;
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
    return this.#connection.status;
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

  /** Gives up what was sent: it fails with EINTR, unless it has just been done. */
  cancel(reply: Reply<unknown>): void {
    (reply as P9Request).abandon();
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
    if (this.#connection.isOver && kind === 'call') request.settle(linuxerr.EIO);
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

  /**
   * Clunks what was to be clunked soon, and waits until the server has done so, and what was sent
   * to be clunked before, so that there is room for others.
   */
  clunkNow(): Op<void> {
    return this.#calls.clunkNow();
  }

  /** Asks the server, if there is a link, how long a round trip takes; the status says it later. */
  measure(): void {
    this.#connection.measure();
  }

  // ---- By hand ----

  /** Tries again now, and calls wait for it. Does nothing while there is a link. */
  reconnectNow(): void {
    this.#connection.reconnectNow();
  }

  /** Sends what waits to be sent, and closes the link when it is answered, or time is up. */
  *close(): Op<void> {
    if (this.#connection.isClosed) return;
    this.#calls.flushClunks();
    yield* this.#connection.close();
  }

  /** Ends at once: what waits fails with EIO. */
  abort(): void {
    this.#connection.abort();
  }

  // ---- Sessions ----

  /** A server may close the first link when asked for gVisor's versions. Errors: LinkError. */
  *#establish(): Op<void> {
    const link = yield* this.#openLink();
    try {
      yield* this.#start(link);
    } catch (error) {
      const isUnagreed = this.#sessionCount === 0 && link.isGone && !link.isTokenRefused;
      if (!(error instanceof LinkError) || !isUnagreed || this.#versionMax === 0) throw error;
      this.#versionMax = 0;
      yield* this.#start(yield* this.#openLink());
    }
  }

  /** Errors: LinkError. */
  *#openLink(): Op<P9Link> {
    const { clock, msize } = this.#options;
    const transport = yield* this.#connection.openTransport();
    const { counts } = this.#connection;
    const link = new P9Link(transport, { clock, counts, user: this.#calls });
    link.msize = Math.min(link.msize, msize);
    this.#connection.use(link);
    return link;
  }

  /** A session. Errors: LinkError. */
  *#start(link: P9Link): Op<void> {
    this.#calls.attach(link);
    link.start();
    const cancel = this.#connection.limitPatience(link);
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
      throw new LinkError(link.isTokenRefused ? linuxerr.EACCES : error, message);
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
    this.#connection.keepAlive.start(link);
    if (!isFirst) yield* onSessionLost(this.#restoringCalls());
    if (link.isGone) throw linuxerr.EIO;
    this.#connection.onConnected();
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
}
