// A client that sends what a test says and nothing by itself.

import { errorFromErrno } from '../../../src/abi/errno.ts';
import { assertDefined } from '../../../src/lib/assert.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { WireWriter } from '../../../src/lib/wire-buffer.ts';
import {
  decodeFrame,
  encodeRequest,
  type Frame,
  type HeaderVersion,
  PAYLOAD_SIZE_MAX,
} from '../../../src/lisafs/frame.ts';
import {
  MESSAGES,
  type MessageName,
  messageRow,
  type RequestOf,
  type ResponseOf,
} from '../../../src/lisafs/messages.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import { Server } from '../../../src/lisafs/server.ts';
import { LoopbackLink, type LoopbackOptions } from '../../../src/transport/loopback.ts';
import type { CloseInfo, Receiver } from '../../../src/transport/transport.ts';
import { MemoryTree } from './memory-tree.ts';

/** Lets everything happen that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

export interface Served {
  readonly tree: MemoryTree;
  readonly server: Server;
  readonly clock: FakeClock;
  /** Errors that the server didn't expect. */
  readonly errors: unknown[];
}

export function serve(options: Partial<ServerOptions> = {}): Served {
  const tree = new MemoryTree();
  const clock = new FakeClock();
  const errors: unknown[] = [];
  let count = 0;
  const server = new Server({
    root: () => tree.root(),
    clock,
    randomBytes: (size) => new Uint8Array(size).fill(++count),
    onError: (error) => errors.push(error),
    ...options,
  });
  return { tree, server, clock, errors };
}

export class RawClient implements Receiver {
  readonly link: LoopbackLink;
  headerVersion: HeaderVersion = 1;
  closed: CloseInfo | undefined;
  readonly replies: Frame[] = [];
  readonly #awaited = new Map<number, (frame: Frame) => void>();
  #lastTag = 0;
  protected readonly clock: FakeClock;

  constructor(
    { server, clock }: Pick<Served, 'server' | 'clock'>,
    options: Partial<LoopbackOptions> = {},
  ) {
    this.clock = clock;
    this.link = new LoopbackLink({ clock, messageSizeMax: PAYLOAD_SIZE_MAX + 16, ...options });
    this.link.client.start(this);
    server.accept(this.link.server);
  }

  onMessage(message: Uint8Array): void {
    const { headerVersion } = this;
    const frame = decodeFrame(message, { headerVersion, payloadMax: PAYLOAD_SIZE_MAX });
    this.replies.push(frame);
    const resolve = this.#awaited.get(frame.tag);
    this.#awaited.delete(frame.tag);
    resolve?.(frame);
  }

  onClose(info: CloseInfo): void {
    this.closed = info;
  }

  sendBytes(bytes: Uint8Array): void {
    this.link.client.send(bytes);
  }

  send<Name extends MessageName>(name: Name, values: RequestOf<Name>, tag = 0): void {
    const { headerVersion } = this;
    const options = { headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    this.sendBytes(encodeRequest(new WireWriter(), options, name, values));
  }

  /** Errors: what the server answers. */
  async call<Name extends MessageName>(
    name: Name,
    values: RequestOf<Name>,
    tag = this.headerVersion === 2 ? ++this.#lastTag : 0,
  ): Promise<ResponseOf<Name>> {
    const { mid, payload } = await new Promise<Frame>((resolve, reject) => {
      this.#awaited.set(tag, resolve);
      this.send(name, values, tag);
      void this.waitForReply(() => this.#awaited.get(tag) !== resolve).then(() => {
        const why = this.closed?.reason ?? 'no reply';
        if (this.#awaited.get(tag) === resolve) reject(new Error(why));
      });
    });
    if (mid === 0) throw errorFromErrno(MESSAGES.Error.response.decode(payload).errno);
    return assertDefined(messageRow(name).response).decode(payload) as ResponseOf<Name>;
  }

  /** There and back again: what doesn't answer until then doesn't answer. */
  protected async waitForReply(_isAnswered: () => boolean): Promise<void> {
    await this.passTime();
    await this.passTime();
  }

  protected async passTime(): Promise<void> {
    await settle();
    this.clock.advance(1);
    await settle();
  }

  /** Begins a session, or goes on with one. */
  async startSession(
    sessionId: Uint8Array = new Uint8Array(0),
    seen = { lastTag: 0, awaited: [] as number[] },
  ): Promise<ResponseOf<'Session'>> {
    const answer = await this.call('Session', { headerVersion: 2, sessionId, ...seen });
    this.headerVersion = 2;
    // Those of the link before are not used again.
    if (answer.isResumed) this.#lastTag = 10_000;
    return answer;
  }

  async mount(): Promise<number> {
    return (await this.call('Mount', {})).root.controlFD;
  }
}

/** A client that has mounted the tree. */
export async function connect(served: Served): Promise<{ client: RawClient; root: number }> {
  const client = new RawClient(served);
  return { client, root: await client.mount() };
}
