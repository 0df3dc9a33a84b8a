// A lisafs client over a WebSocket, which sends what a test says and nothing by itself.

import type { ClientOptions } from 'ws';
import { WebSocket } from 'ws';
import { errorFromErrno } from '../../src/abi/errno.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { WireWriter } from '../../src/lib/wire-buffer.ts';
import { decodeFrame, encodeRequest, FRAME_SIZE_MAX, type Frame } from '../../src/lisafs/frame.ts';
import { PAYLOAD_SIZE_MAX } from '../../src/lisafs/frame.ts';
import {
  MESSAGES,
  type MessageName,
  messageRow,
  type RequestOf,
  type ResponseOf,
} from '../../src/lisafs/messages.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import type { CloseInfo, Receiver, Transport } from '../../src/transport/transport.ts';
import { connectWebSocket } from '../../src/transport/web-socket.ts';

const clock = new RealClock();

export interface ClientSettings {
  readonly token?: string | undefined;
  /** What a browser or another program says besides: headers, a certificate. */
  readonly socket?: ClientOptions;
}

export class LisafsClient implements Receiver {
  readonly transport: Transport;
  readonly pushed: Frame[] = [];
  readonly closed: Promise<CloseInfo>;
  headerVersion: 1 | 2 = 1;
  #onClosed: (info: CloseInfo) => void = () => undefined;
  readonly #awaited = new Map<number, (frame: Frame) => void>();
  #lastTag = 0;
  #onPushed: () => void = () => undefined;

  constructor(transport: Transport) {
    this.transport = transport;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    transport.start(this);
  }

  /** Errors: ConnectError. */
  static async connect(
    url: string,
    { token, socket = {} }: ClientSettings = {},
  ): Promise<LisafsClient> {
    class Configured extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, socket);
      }
    }
    const transport = await connectWebSocket(url, {
      clock,
      messageSizeMax: FRAME_SIZE_MAX,
      timeoutMs: 10_000,
      protocols: ['lisafs'],
      extraProtocols: protocolsFor(token),
      WebSocket: Configured,
    });
    return new LisafsClient(transport);
  }

  onMessage(message: Uint8Array): void {
    const { headerVersion } = this;
    const frame = decodeFrame(message, { headerVersion, payloadMax: PAYLOAD_SIZE_MAX });
    const resolve = this.#awaited.get(frame.tag);
    this.#awaited.delete(frame.tag);
    if (resolve !== undefined) resolve(frame);
    else {
      this.pushed.push(frame);
      this.#onPushed();
    }
  }

  onClose(info: CloseInfo): void {
    this.#onClosed(info);
  }

  /** What the server sends unasked, as soon as there is something. */
  async nextPushed(): Promise<Frame> {
    while (this.pushed.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onPushed = resolve;
      });
    }
    return this.pushed.shift()!;
  }

  /** Errors: what the server answers, or how the link was closed. */
  async call<Name extends MessageName>(
    name: Name,
    values: RequestOf<Name>,
  ): Promise<ResponseOf<Name>> {
    const { headerVersion } = this;
    const tag = headerVersion === 2 ? ++this.#lastTag : 0;
    const options = { headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    const replied = new Promise<Frame>((resolve) => {
      this.#awaited.set(tag, resolve);
    });
    this.transport.send(encodeRequest(new WireWriter(), options, name, values));
    const broken = this.closed.then(({ code, reason }): never => {
      throw new Error(`closed with ${code}: ${reason}`);
    });
    const { mid, payload } = await Promise.race([replied, broken]);
    if (mid === MESSAGES.Error.mid) {
      throw errorFromErrno(MESSAGES.Error.response.decode(payload).errno);
    }
    return messageRow(name).response!.decode(payload) as ResponseOf<Name>;
  }

  async startSession(): Promise<void> {
    const seen = { lastTag: 0, awaited: [] };
    await this.call('Session', { headerVersion: 2, sessionId: new Uint8Array(0), ...seen });
    this.headerVersion = 2;
  }

  /** The root, and its attributes. */
  async mount(): Promise<ResponseOf<'Mount'>['root']> {
    return (await this.call('Mount', {})).root;
  }

  async leave(): Promise<void> {
    this.transport.close();
    await this.closed;
  }
}
