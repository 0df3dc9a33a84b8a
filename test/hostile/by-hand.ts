// WebSockets by hand: handshakes and frames that no library would send.

import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { Arena } from './arena.ts';

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** The status of a handshake with these headers; 0 if the server just cuts it off. */
export function statusOf(
  { server }: Arena,
  headers: Record<string, string>,
  path = '/',
): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({
      host: '127.0.0.1',
      port: server.port,
      agent: false,
      path,
      headers: {
        ...UPGRADE,
        ...headers,
      },
    });
    asked.on('error', () => {
      resolve(0);
    });
    asked.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    asked.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.end();
  });
}

/** A WebSocket by hand, for frames that no library would send. */
export async function openByHand(
  { server }: Arena,
  offer: string,
): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const asked = request({
    host: '127.0.0.1',
    port: server.port,
    agent: false,
    headers: {
      ...UPGRADE,
      'Sec-WebSocket-Protocol': offer,
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
    },
  });
  asked.end();
  const [{ headers }, socket] = (await once(asked, 'upgrade')) as [
    { headers: Record<string, string> },
    Socket,
  ];
  expect(headers['sec-websocket-extensions'], 'compression is off').toBeUndefined();
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return { socket, closed };
}

/** RFC 6455, section 5.2, with a mask of zeros. `first`: FIN, RSV and the opcode. */
export function webSocketFrame(
  first: number,
  payload: Uint8Array,
  length = payload.length,
): Buffer {
  const extended = length > 0xffff ? 127 : length > 125 ? 126 : length;
  const head = Buffer.alloc(extended === 127 ? 10 : extended === 126 ? 4 : 2);
  head[0] = first;
  head[1] = 0x80 | extended;
  if (extended === 126) head.writeUInt16BE(length, 2);
  if (extended === 127) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

export const [FIN, RSV1, TEXT, BINARY, PING] = [0x80, 0x40, 1, 2, 9] as const;

/** Of a frame without a mask, as servers send them. Undefined if it isn't whole. */
function unframe(bytes: Buffer): { payload: Buffer; rest: Buffer } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return undefined;
  const wide = short === 127 ? Number(bytes.readBigUInt64BE(2)) : bytes.readUInt16BE(2);
  const end = head + (short > 125 ? wide : short);
  if (bytes.length < end) return undefined;
  return { payload: bytes.subarray(head, end), rest: bytes.subarray(end) };
}

/** A WebSocket that was opened by hand, whose messages are read. */
export class HandSocket {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #received: Buffer = Buffer.alloc(0);
  readonly #messages: Buffer[] = [];
  #onMessage: () => void = () => undefined;

  private constructor(socket: Socket, closed: Promise<unknown>) {
    this.socket = socket;
    this.closed = closed;
    socket.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      for (;;) {
        const cut = unframe(this.#received);
        if (cut === undefined) break;
        this.#received = cut.rest;
        this.#messages.push(cut.payload);
      }
      this.#onMessage();
    });
  }

  static async open(arena: Arena, offer: string): Promise<HandSocket> {
    const { socket, closed } = await openByHand(arena, offer);
    return new HandSocket(socket, closed);
  }

  /** The next message of the server's. Errors: Error if there is none before it ends. */
  async next(): Promise<Buffer> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.socket.destroyed) throw new Error('the link has ended');
      const came = new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
      await Promise.race([came, this.closed]);
    }
  }

  /** Sends a message, and returns the next of the server's. */
  ask(message: Uint8Array): Promise<Buffer> {
    this.socket.write(webSocketFrame(FIN | BINARY, message));
    return this.next();
  }

  /** Sends so much of a message's frame, and ends the stream. */
  async breakIn(message: Uint8Array, part: number): Promise<void> {
    const frame = webSocketFrame(FIN | BINARY, message);
    this.socket.end(frame.subarray(0, Math.floor(frame.length * part)));
    await this.closed;
  }
}
