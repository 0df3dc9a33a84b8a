// Attacker: a client of a gofer's server that sends whatever it is told to, well-formed or not.

import type { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { whenClosed } from '../../src/gofer-server/when-closed.ts';
import {
  decodeFrame,
  encodePayload,
  type Frame,
  PAYLOAD_SIZE_MAX,
} from '../../src/lisafs/frame.ts';
import {
  MESSAGES,
  type MessageName,
  messageRow,
  type RequestOf,
  type ResponseOf,
} from '../../src/lisafs/messages.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import { Answers, failed, mustHave, type Outcome } from './answers.ts';

export interface Target {
  readonly url: string;
  readonly token: string;
}

const NO_SESSION = new Uint8Array(0);

export class Attacker {
  readonly socket: WebSocket;
  headerVersion: 1 | 2 = 1;
  lastTag = 0;
  readonly closed: Promise<number>;
  readonly #answers = new Answers<Frame, number>((bytes) =>
    decodeFrame(bytes, {
      headerVersion: this.headerVersion,
      payloadMax: PAYLOAD_SIZE_MAX,
    }),
  );

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      this.#answers.take(data);
    });
    this.closed = whenClosed(socket).then(([code]) => Number(code));
  }

  /** Errors: Error if the server doesn't let it in. */
  static async connect({ url, token }: Target, options: ClientOptions = {}): Promise<Attacker> {
    const protocols = ['lisafs', ...protocolsFor(token)];
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    const attacker = new Attacker(socket);
    await once(socket, 'open');
    return attacker;
  }

  /** With a session and the root mounted. */
  static async mounted(target: Target): Promise<{ attacker: Attacker; root: number }> {
    const attacker = await Attacker.connect(target);
    await attacker.session();
    return { attacker, root: await attacker.mount() };
  }

  get hasSeenSecret(): boolean {
    return this.#answers.hasSeenSecret;
  }

  /** What nobody waits for. */
  get unasked(): Frame[] {
    return this.#answers.unasked;
  }

  /** Bytes of a message, whatever they are. */
  send(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  nextTag(): number {
    return this.headerVersion === 1 ? 0 : ++this.lastTag;
  }

  /** Sends a payload with a right header. */
  sendPayload(mid: number, payload: Uint8Array, tag = this.nextTag()): number {
    this.send(encodePayload({ headerVersion: this.headerVersion, tag }, { mid, payload }));
    return tag;
  }

  sendRequest<Name extends MessageName>(
    name: Name,
    values: RequestOf<Name>,
    tag = this.nextTag(),
  ): number {
    const { mid, request } = messageRow(name);
    return this.sendPayload(mid, request!.encode(values), tag);
  }

  /** The answer to a tag; `closed` if the link is closed before. */
  answer<Name extends MessageName>(name: Name, tag: number): Promise<Outcome<ResponseOf<Name>>> {
    return this.#answers.of(tag, this.closed, ({ mid, payload }) => {
      if (mid === MESSAGES.Error.mid) return failed(MESSAGES.Error.response.decode(payload).errno);
      const values = messageRow(name).response!.decode(payload) as ResponseOf<Name>;
      return { said: 'OK', values };
    });
  }

  call<Name extends MessageName>(
    name: Name,
    values: RequestOf<Name>,
    tag = this.nextTag(),
  ): Promise<Outcome<ResponseOf<Name>>> {
    const answered = this.answer(name, tag);
    this.sendRequest(name, values, tag);
    return answered;
  }

  /** A payload that may be none of the message's. */
  callPayload<Name extends MessageName>(
    name: Name,
    payload: Uint8Array,
    tag = this.nextTag(),
  ): Promise<Outcome<ResponseOf<Name>>> {
    const answered = this.answer(name, tag);
    this.sendPayload(messageRow(name).mid, payload, tag);
    return answered;
  }

  /** Errors: Error with what was said instead. */
  must<Name extends MessageName>(name: Name, values: RequestOf<Name>): Promise<ResponseOf<Name>> {
    return mustHave(name, this.call(name, values));
  }

  async session(
    sessionId: Uint8Array = NO_SESSION,
    seen: { lastTag: number; awaited: number[] } = { lastTag: 0, awaited: [] },
  ): Promise<ResponseOf<'Session'>> {
    const answer = await this.must('Session', { headerVersion: 2, sessionId, ...seen });
    this.headerVersion = 2;
    return answer;
  }

  async mount(): Promise<number> {
    return (await this.must('Mount', {})).root.controlFD;
  }

  async walk(dirFD: number, ...path: string[]): Promise<number> {
    const { inodes } = await this.must('Walk', { dirFD, path });
    const last = inodes.at(-1);
    if (last === undefined || inodes.length < path.length) throw new Error(`no ${path.join('/')}`);
    return last.controlFD;
  }

  async open(fd: number, flags: number): Promise<number> {
    return (await this.must('OpenAt', { fd, flags })).openFD;
  }

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  /** Says good-bye, so that its session ends. */
  async leave(): Promise<void> {
    this.socket.close(1000);
    await this.closed;
  }

  /** Its link breaks: its session waits for it. */
  async vanish(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

/** A frame whose header may be a lie. */
export function rawFrame(header: {
  readonly payloadLen: number;
  readonly mid: number;
  readonly tag?: number;
  readonly payload: Uint8Array;
}): Uint8Array {
  const { payloadLen, mid, tag, payload } = header;
  const bytes = new Uint8Array((tag === undefined ? 8 : 16) + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payloadLen, true);
  view.setUint16(4, mid, true);
  if (tag !== undefined) view.setUint32(8, tag, true);
  bytes.set(payload, bytes.length - payload.length);
  return bytes;
}
