// What the tests of the client share: a network with a server that may be replaced, links that
// break, and a server that answers what a test says.

import { expect } from 'vitest';
import { type LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { WireWriter } from '../../../src/lib/wire-buffer.ts';
import { LisafsClient } from '../../../src/lisafs/client.ts';
import type { LinkStatus } from '../../../src/link/connection.ts';
import type { LisafsClientOptions } from '../../../src/lisafs/client-options.ts';
import {
  decodeFrame,
  encodeError,
  encodeRequest,
  encodeResponse,
  type Frame,
  type HeaderVersion,
  PAYLOAD_SIZE_MAX,
} from '../../../src/lisafs/frame.ts';
import {
  type MessageName,
  messageNameOf,
  messageRow,
  MESSAGES,
  type RequestOf,
  type ResponseOf,
} from '../../../src/lisafs/messages.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import { Server } from '../../../src/lisafs/server.ts';
import { LoopbackLink, type LoopbackOptions } from '../../../src/transport/loopback.ts';
import type { Receiver, Transport } from '../../../src/transport/transport.ts';
import { MemoryTree } from './memory-tree.ts';
import { settle } from './raw-client.ts';

const MESSAGE_SIZE_MAX = PAYLOAD_SIZE_MAX + 16;

/** Who is at the other end of new links. */
export interface Acceptor {
  accept(transport: Transport): void;
}

export class Network {
  readonly clock = new FakeClock();
  readonly tree = new MemoryTree();
  readonly errors: unknown[] = [];
  readonly links: LoopbackLink[] = [];
  readonly statuses: LinkStatus[] = [];
  readonly pushed: unknown[] = [];
  server: Acceptor;
  /** What connecting fails with. */
  refusal: Error | undefined;
  attempts = 0;
  readonly #link: Partial<LoopbackOptions>;
  readonly #serverOptions: Partial<ServerOptions>;
  #sessionCount = 0;

  constructor(
    options: { server?: Partial<ServerOptions>; link?: Partial<LoopbackOptions> } = {},
    acceptor?: Acceptor,
  ) {
    this.#serverOptions = options.server ?? {};
    this.#link = options.link ?? {};
    this.server = acceptor ?? this.#newServer();
  }

  #newServer(): Server {
    return new Server({
      root: () => this.tree.root(),
      clock: this.clock,
      randomBytes: (size) => new Uint8Array(size).fill(++this.#sessionCount),
      onError: (error) => this.errors.push(error),
      ...this.#serverOptions,
    });
  }

  /** Another server for the same tree: FDs and sessions are gone. */
  replaceServer(): void {
    (this.server as Server).stop();
    this.server = this.#newServer();
  }

  readonly connect = (): Promise<Transport> => {
    this.attempts++;
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    const link = new LoopbackLink({
      clock: this.clock,
      messageSizeMax: MESSAGE_SIZE_MAX,
      ...this.#link,
    });
    this.links.push(link);
    this.server.accept(link.server);
    return Promise.resolve(link.client);
  };

  get link(): LoopbackLink {
    return this.links.at(-1)!;
  }

  options(more: Partial<LisafsClientOptions> = {}): LisafsClientOptions {
    return {
      connect: this.connect,
      clock: this.clock,
      timeoutMs: 30_000,
      attach: '/',
      onPush: (...push) => this.pushed.push(push),
      *onSessionLost() {},
      onStatus: (status) => this.statuses.push(status),
      random: () => 0,
      ...more,
    };
  }

  async client(more: Partial<LisafsClientOptions> = {}): Promise<LisafsClient> {
    return await this.run(LisafsClient.connect(this.options(more)));
  }

  /** Runs an Op while what is under way arrives. */
  async run<T>(op: Op<T>, maxMs = 100_000): Promise<T> {
    const promise = runAsync(op);
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    await settle();
    for (let ms = 0; !isDone && ms < maxMs; ms += 10) await this.pass(10);
    expect(isDone, 'the operation ends').toBe(true);
    return await promise;
  }

  async pass(ms: number, stepMs = ms): Promise<void> {
    await settle();
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs);
      await settle();
    }
  }

  /** Nothing is pinned once all have gone, and nothing unexpected has happened. */
  async end(client?: LisafsClient): Promise<void> {
    if (client !== undefined) await this.run(client.close());
    (this.server as Server).stop();
    await settle();
    expect(this.errors).toEqual([]);
    expect(this.tree.pinned).toBe(0);
  }
}

export interface Asked extends Frame {
  readonly name: MessageName;
  readonly values: Record<string, unknown>;
}

/** A server that does what a test says. */
export class ScriptedServer implements Acceptor {
  /** All that came, from whichever link. */
  readonly asked: Asked[] = [];
  readonly ends: ScriptedEnd[] = [];
  /** Answers by itself what is in here. */
  readonly answers: Partial<Record<MessageName, (asked: Asked, end: ScriptedEnd) => void>>;

  constructor(answers: ScriptedServer['answers']) {
    this.answers = answers;
  }

  accept(transport: Transport): void {
    this.ends.push(new ScriptedEnd(this, transport));
  }

  get end(): ScriptedEnd {
    return this.ends.at(-1)!;
  }

  names(): MessageName[] {
    return this.asked.map(({ name }) => name);
  }
}

export class ScriptedEnd implements Receiver {
  readonly transport: Transport;
  headerVersion: HeaderVersion = 1;
  readonly #server: ScriptedServer;
  closed: string | undefined;

  constructor(server: ScriptedServer, transport: Transport) {
    this.#server = server;
    this.transport = transport;
    transport.start(this);
  }

  onMessage(message: Uint8Array): void {
    const { headerVersion } = this;
    const frame = decodeFrame(message, { headerVersion, payloadMax: PAYLOAD_SIZE_MAX });
    const name = messageNameOf(frame.mid)!;
    const values = messageRow(name).request!.decode(frame.payload) as Record<string, unknown>;
    const asked = { ...frame, name, values };
    this.#server.asked.push(asked);
    this.#server.answers[name]?.(asked, this);
  }

  onClose({ reason }: { readonly reason: string }): void {
    this.closed = reason;
  }

  answer<Name extends MessageName>({ tag }: Frame, name: Name, values: ResponseOf<Name>): void {
    const options = { headerVersion: this.headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    this.transport.send(encodeResponse(new WireWriter(), options, name, values));
  }

  refuse({ tag }: Frame, error: LinuxError): void {
    const options = { headerVersion: this.headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    this.transport.send(encodeError(new WireWriter(), options, error));
  }

  push<Name extends MessageName>(name: Name, values: RequestOf<Name>): void {
    const options = { headerVersion: 2, tag: 0, payloadMax: PAYLOAD_SIZE_MAX } as const;
    this.transport.send(encodeRequest(new WireWriter(), options, name, values));
  }
}

const TIME = { sec: 0, nsec: 0 };

export const STATX: ResponseOf<'FStat'>['statx'] = {
  ...{ mask: 0, blksize: 4096, attributes: 0n, nlink: 1, uid: 0, gid: 0, mode: 0o040_755 },
  ...{ ino: 1n, size: 0, blocks: 0, attributesMask: 0n, rdevMajor: 0, rdevMinor: 0 },
  ...{ atime: TIME, btime: TIME, ctime: TIME, mtime: TIME, devMajor: 0, devMinor: 1 },
};

const allMids = Object.values(MESSAGES).map(({ mid }) => mid);

/** Answers to Session and Mount, as of a server with one session that is always there. */
export function withSession(inFlightMax = 16): ScriptedServer['answers'] {
  return {
    Session: (asked, end) => {
      const isResumed = (asked.values['sessionId'] as Uint8Array).length > 0;
      const sessionId = new Uint8Array(16).fill(1);
      const bootVerifier = new Uint8Array(0);
      const answer = { headerVersion: 2, sessionId, isResumed, graceMs: 60_000 };
      const values = { ...answer, inFlightMax, bootVerifier };
      end.answer(asked, 'Session', values);
      end.headerVersion = 2;
    },
    ...mounting(),
  };
}

/** Answers to Mount alone. */
export function withoutSession(): ScriptedServer['answers'] {
  return {
    Session: (asked, end) => {
      end.refuse(asked, linuxerr.EOPNOTSUPP);
    },
    ...mounting(),
  };
}

function mounting(): ScriptedServer['answers'] {
  return {
    Mount: (asked, end) => {
      const root = { controlFD: 1, statx: STATX };
      const values = { root, maxMessageSize: PAYLOAD_SIZE_MAX, supportedMIDs: allMids };
      end.answer(asked, 'Mount', values);
    },
    Ping: (asked, end) => {
      end.answer(asked, 'Ping', {});
    },
  };
}
