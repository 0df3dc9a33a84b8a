// Wire: what 9P goes over, by WebSocket or by TCP, for somebody who sends any bytes at all. What
// comes is cut into messages, as they say where they end.

import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { WebSocket } from 'ws';
import { P9_PROTOCOL } from '../../src/p9/version.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import type { Target } from './attacker.ts';

/** One at which 9P is spoken by TCP, too. */
export interface P9Target extends Target {
  readonly p9Port: number;
}

export type Way = 'WebSocket' | 'TCP';

export const WAYS: readonly Way[] = ['WebSocket', 'TCP'];

/** How a link has ended: by WebSocket with a code. */
export type Ending = number | 'cut off';

export interface Wire {
  readonly way: Way;
  readonly isOpen: boolean;
  readonly ended: Promise<Ending>;
  /** A message of the WebSocket's; over TCP any part of the stream. */
  send(bytes: Uint8Array): void;
  /** Nothing is read from here on. */
  stopReading(): void;
  /** Good-bye. */
  close(): void;
  /** Without a word. */
  cut(): void;
}

export type OnMessage = (message: Buffer) => void;

export function openWire(way: Way, target: P9Target, onMessage: OnMessage): Promise<Wire> {
  return way === 'TCP' ? openTcp(target, onMessage) : openWebSocket(target, onMessage);
}

async function openWebSocket({ url, token }: P9Target, onMessage: OnMessage): Promise<Wire> {
  const protocols = [P9_PROTOCOL, ...protocolsFor(token)];
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  socket.on('message', onMessage);
  // Told by the close event.
  socket.on('error', () => undefined);
  const ended = new Promise<Ending>((resolve) => socket.once('close', resolve));
  await once(socket, 'open');
  return {
    way: 'WebSocket',
    get isOpen() {
      return socket.readyState === socket.OPEN;
    },
    ended,
    send: (bytes) => {
      socket.send(bytes);
    },
    stopReading: () => {
      socket.pause();
    },
    close: () => {
      socket.resume();
      socket.close(1000);
    },
    cut: () => {
      socket.terminate();
    },
  };
}

/** Of the size that begins a message. */
const SIZE_BYTES = 4;

async function openTcp({ p9Port }: P9Target, onMessage: OnMessage): Promise<Wire> {
  const socket = connectTcp(p9Port, '127.0.0.1');
  socket.setNoDelay(true);
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= SIZE_BYTES) {
      const size = received.readUInt32LE();
      if (received.length < size) break;
      onMessage(received.subarray(0, size));
      received = received.subarray(size);
    }
  });
  socket.on('error', () => undefined);
  const ended = new Promise<Ending>((resolve) => {
    socket.once('close', () => {
      resolve('cut off');
    });
  });
  await once(socket, 'connect');
  return {
    way: 'TCP',
    get isOpen() {
      return !socket.destroyed && socket.writable;
    },
    ended,
    send: (bytes) => {
      socket.write(bytes);
    },
    stopReading: () => {
      socket.pause();
    },
    close: () => {
      socket.resume();
      socket.end();
    },
    cut: () => {
      socket.destroy();
    },
  };
}
