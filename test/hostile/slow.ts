// Sequences about links that are slow on purpose, or break in the middle of what they say.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import { encodeUtf8 } from '../../src/lib/text.ts';
import {
  MESSAGES,
  type MessageName,
  messageRow,
  type RequestOf,
} from '../../src/lisafs/messages.ts';
import { P9_PROTOCOL } from '../../src/p9/version.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import { type Arena, TOKEN } from './arena.ts';
import { rawFrame } from './attacker.ts';
import { BINARY, FIN, HandSocket, webSocketFrame } from './by-hand.ts';
import type { Sequence } from './sequence.ts';

const NOTHING = new Uint8Array(0);
const [BEARER = ''] = protocolsFor(TOKEN);
const OFFER = `lisafs, ${BEARER}`;

/** The handshake of a protocol, as it goes over the wire. */
function handshake(protocol: string): Uint8Array {
  const lines = [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Sec-WebSocket-Protocol: ${protocol}, ${BEARER}`,
  ];
  return encodeUtf8(`${lines.join('\r\n')}\r\n\r\n`);
}

async function connectTo({ server }: Arena): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.setNoDelay(true).on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

const PROTOCOLS = ['lisafs', P9_PROTOCOL] as const;
/** Between two bytes of who is slow on purpose: none of them waits for long. */
const TRICKLE_MS = 50;
const SLOW_COUNT = 8;

/** A byte now and then, and never the last. */
function trickle(socket: Socket, bytes: Uint8Array): Promise<unknown> {
  socket.resume();
  let at = 0;
  const timer = setInterval(() => {
    socket.write(at < bytes.length - 1 ? bytes.subarray(at, at + 1) : encodeUtf8('x'));
    at++;
  }, TRICKLE_MS);
  // Not once(): it would reject, if the last byte crosses the server's cutting off.
  return new Promise((resolve) => {
    socket.once('close', resolve);
  }).finally(() => {
    clearInterval(timer);
  });
}

const HANDSHAKES: readonly Sequence[] = [
  {
    name: 'handshakes that come byte by byte and never end',
    holds: 'they are cut off, and others get in meanwhile',
    by: '9P',
    async run(arena) {
      const all = Array.from({ length: SLOW_COUNT }, async (_, index) => {
        const protocol = PROTOCOLS[index % PROTOCOLS.length]!;
        // The last line goes on and on.
        await trickle(await connectTo(arena), handshake(protocol).subarray(0, -3));
      });
      const { attacker, root } = await arena.mounted();
      await attacker.must('FStat', { fd: root });
      await Promise.all(all);
    },
  },
  ...PROTOCOLS.map((protocol): Sequence => ({
    name: `a handshake of ${protocol} that comes byte by byte, and ends`,
    holds: 'it is let in as others are',
    by: '9P',
    async run(arena) {
      const socket = await connectTo(arena);
      const answered = once(socket, 'data');
      for (const byte of handshake(protocol)) {
        socket.write(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      const [answer] = (await answered) as [Uint8Array];
      expect(String(answer)).toMatch(/^HTTP\/1\.1 101 /);
      socket.destroy();
    },
  })),
];

/** The last of the handshake's bytes are the first of a frame: the server has read both at once. */
const AT_ONCE: Sequence = {
  name: 'a handshake and a frame in one packet',
  holds: 'the frame is answered',
  async run(arena) {
    const socket = await connectTo(arena);
    const mount = rawFrame({ payloadLen: 0, mid: MESSAGES.Mount.mid, payload: NOTHING });
    let received = '';
    socket.setEncoding('latin1').on('data', (data: string) => (received += data));
    const both = [...handshake('lisafs'), ...webSocketFrame(FIN | BINARY, mount)];
    socket.write(Uint8Array.from(both));
    while (!/\r\n\r\n[^]{20}/.test(received)) await once(socket, 'data');
    socket.destroy();
  },
};

/** A request without a tag, and its answer. */
async function ask<Name extends MessageName>(
  link: HandSocket,
  name: Name,
  values: RequestOf<Name>,
): Promise<ReturnType<NonNullable<(typeof MESSAGES)[Name]['response']>['decode']>> {
  const { mid, request, response } = messageRow(name);
  const payload = request!.encode(values);
  const answer = await link.ask(rawFrame({ payloadLen: payload.length, mid, payload }));
  return response!.decode(answer.subarray(8)) as never;
}

const FRAMES: readonly Sequence[] = [
  {
    name: 'a frame of a byte at a time, header and all',
    holds: 'it is one message, and is answered',
    async run(arena) {
      const link = await HandSocket.open(arena, OFFER);
      const mount = rawFrame({ payloadLen: 0, mid: MESSAGES.Mount.mid, payload: NOTHING });
      for (const byte of webSocketFrame(FIN | BINARY, mount)) {
        link.socket.write(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      expect((await link.next()).readUInt16LE(4)).toBe(MESSAGES.Mount.mid);
      link.socket.destroy();
    },
  },
  {
    name: 'a link that breaks in a PWrite',
    holds: 'nothing of it is written, however much has come',
    async run(arena) {
      for (const part of [0.01, 0.5, 0.999]) {
        const link = await HandSocket.open(arena, OFFER);
        const { root } = await ask(link, 'Mount', {});
        const walked = await ask(link, 'Walk', { dirFD: root.controlFD, path: ['file'] });
        const { controlFD: file } = walked.inodes[0]!;
        const { openFD: fd } = await ask(link, 'OpenAt', { fd: file, flags: O_RDWR });
        const data = new Uint8Array(100_000).fill(120);
        const payload = MESSAGES.PWrite.request.encode({ fd, offset: 0, data });
        const { mid } = MESSAGES.PWrite;
        await link.breakIn(rawFrame({ payloadLen: payload.length, mid, payload }), part);
      }
      expect(readFileSync(arena.in('file'), 'utf8')).toBe('mine');
    },
  },
];

export const SLOW_FAMILIES = {
  'handshakes, byte by byte': [...HANDSHAKES, AT_ONCE],
  'frames, byte by byte': FRAMES,
};
