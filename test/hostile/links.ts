// Sequences about links: handshakes, frames, sessions, and clients that take all there is.

import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { messageRow } from '../../src/lisafs/messages.ts';
import { FLOCK, OFD_LOCK } from '../../src/lisafs/extensions.ts';
import { PAYLOAD_SIZE_MAX } from '../../src/lisafs/frame.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import { until } from './arena.ts';
import { Attacker, rawFrame } from './attacker.ts';
import { BINARY, FIN, openByHand, PING, RSV1, statusOf, TEXT, webSocketFrame } from './by-hand.ts';
import { someFds } from './generated.ts';
import { encodeRequestOf, REQUESTS, validRequest } from './request-values.ts';
import type { Sequence } from './sequence.ts';

const NOTHING = new Uint8Array(0);
/** Of a session: src/gofer-server says so many. */
const LOCKS_MAX = 10_000;
const [BEARER = ''] = protocolsFor('hostile-test-token');
const OFFER = `lisafs, ${BEARER}`;
const tokenOf = (text: string): string => protocolsFor(text)[0]!;

/** Of those with lisafs and a wrong token, 101 is a link that is closed at once with 4401. */
const HANDSHAKES: readonly [name: string, headers: Record<string, string>, status: number][] = [
  ['no token and no protocol', {}, 401],
  ['an empty token', { 'Sec-WebSocket-Protocol': 'burrowfs.bearer.' }, 401],
  ['a token that is longer', { 'Sec-WebSocket-Protocol': tokenOf('hostile-test-token2') }, 401],
  ['a token that is shorter', { 'Sec-WebSocket-Protocol': tokenOf('hostile-test-toke') }, 401],
  ['a token in capitals', { 'Sec-WebSocket-Protocol': tokenOf('HOSTILE-TEST-TOKEN') }, 401],
  ['a token that is not encoded', { 'Sec-WebSocket-Protocol': 'hostile-test-token' }, 401],
  ['the token in Cookie', { Cookie: 'token=hostile-test-token' }, 401],
  ['the token as Basic', { Authorization: 'Basic hostile-test-token' }, 401],
  ['the token without Bearer', { Authorization: 'hostile-test-token' }, 401],
  ['another protocol', { 'Sec-WebSocket-Protocol': `9p2000.u, ${BEARER}` }, 400],
  ['a foreign page', { 'Sec-WebSocket-Protocol': OFFER, Origin: 'https://evil.example' }, 403],
  ['a page without an origin', { 'Sec-WebSocket-Protocol': OFFER, Origin: 'null' }, 403],
  ['an empty origin', { 'Sec-WebSocket-Protocol': OFFER, Origin: '' }, 403],
  ['two origins', { 'Sec-WebSocket-Protocol': OFFER, Origin: 'http://localhost, https://x' }, 403],
  ['a name like localhost', { 'Sec-WebSocket-Protocol': OFFER, Origin: 'http://localhost.x' }, 403],
  ['an old version', { 'Sec-WebSocket-Protocol': OFFER, 'Sec-WebSocket-Version': '7' }, 426],
  [
    'a key of another length',
    { 'Sec-WebSocket-Protocol': OFFER, 'Sec-WebSocket-Key': 'AA==' },
    400,
  ],
  ['headers without an end', { 'X-Long': 'x'.repeat(17 << 10) }, 431],
];

const HANDSHAKE_SEQUENCES: readonly Sequence[] = [
  ...HANDSHAKES.map(([name, headers, status]): Sequence => ({
    name: `a handshake with ${name}`,
    holds: `it is refused with ${status}`,
    async run(arena) {
      const said = await statusOf(arena, headers);
      // Older releases of the package have 400 for a version.
      expect(status === 426 ? [400, 426] : [status]).toContain(said);
    },
  })),
  ...['/?token=hostile-test-token', '/../', '//', '/%2e%2e/', 'http://evil.example/'].map(
    (path): Sequence => ({
      name: `a handshake for the path ${path}`,
      holds: 'it is refused',
      async run(arena) {
        expect([401, 404]).toContain(await statusOf(arena, {}, path));
      },
    }),
  ),
  {
    name: 'a wrong token, and requests on the link that is closed',
    holds: '4401, and nothing is answered',
    async run({ server }) {
      const attacker = await Attacker.connect({ url: server.url, token: 'wrong' });
      attacker.sendRequest('Mount', {});
      expect(await attacker.closed).toBe(4401);
      expect(attacker.unasked).toEqual([]);
    },
  },
  {
    name: 'sockets that never say what they want',
    holds: 'no more than 32 of an address are kept, and a client that was let in works',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const sockets = Array.from({ length: 100 }, () => connect(arena.server.port, '127.0.0.1'));
      let cut = 0;
      for (const socket of sockets) {
        socket.on('error', () => undefined).on('close', () => cut++);
        socket.resume();
      }
      await until(() => cut === sockets.length - 32, 'the others are cut off');
      await attacker.must('FStat', { fd: root });
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: 'as many connections as there may be',
    holds: '503 for one more, and others get in as soon as one has gone',
    server: 'small',
    async run(arena) {
      for (let count = 0; count < 4; count++) await arena.attacker();
      expect(await statusOf(arena, { 'Sec-WebSocket-Protocol': OFFER })).toBe(503);
    },
  },
];

function cutOff(name: string, frames: readonly Buffer[]): Sequence {
  return {
    name,
    holds: 'the link is closed',
    async run(arena) {
      const { socket, closed } = await openByHand(arena, OFFER);
      socket.resume();
      for (const frame of frames) socket.write(frame);
      await closed;
    },
  };
}

const SOCKET_SEQUENCES: readonly Sequence[] = [
  cutOff('a frame that says it is compressed', [
    webSocketFrame(FIN | RSV1 | BINARY, Buffer.alloc(9)),
  ]),
  cutOff('a frame that is not masked', [Buffer.of(FIN | BINARY, 1, 0)]),
  cutOff('a text frame', [
    webSocketFrame(FIN | TEXT, Buffer.from('hello')),
    webSocketFrame(FIN | 8, NOTHING),
  ]),
  cutOff('a frame of 2^62 bytes', [webSocketFrame(FIN | BINARY, NOTHING, 2 ** 62)]),
  cutOff('a frame of one byte too many', [
    webSocketFrame(FIN | BINARY, NOTHING, PAYLOAD_SIZE_MAX + 17),
  ]),
  cutOff('a ping of 126 bytes', [webSocketFrame(FIN | PING, Buffer.alloc(126))]),
  cutOff('an opcode that there is not', [webSocketFrame(FIN | 5, NOTHING)]),
  cutOff('the rest of a message that never began', [webSocketFrame(FIN, NOTHING)]),
  cutOff('fragments of a byte each', [
    webSocketFrame(BINARY, Buffer.of(0)),
    ...Array.from({ length: 20_000 }, () => webSocketFrame(0, Buffer.of(0))),
  ]),
  {
    name: 'a message in fragments, with pings between',
    holds: 'it is one message',
    async run(arena) {
      const { socket, closed } = await openByHand(arena, OFFER);
      const mount = rawFrame({ payloadLen: 0, mid: 1, payload: NOTHING });
      socket.write(webSocketFrame(BINARY, mount.subarray(0, 3)));
      socket.write(webSocketFrame(FIN | PING, Buffer.of(1)));
      socket.write(webSocketFrame(FIN, mount.subarray(3)));
      let size = 0;
      socket.on('data', (data: Buffer) => (size += data.length));
      await until(() => size > 100, 'there is an answer');
      socket.destroy();
      await closed;
    },
  },
  {
    name: 'pings without end from who never reads',
    holds: 'the link is closed, or no more is taken from it',
    async run(arena) {
      const { socket } = await openByHand(arena, OFFER);
      socket.pause();
      const pings = Buffer.concat(
        Array.from({ length: 500 }, () => webSocketFrame(FIN | PING, Buffer.alloc(125))),
      );
      for (let count = 0; count < 200 && !socket.destroyed; count++) socket.write(pings);
      await arena.attacker();
      socket.destroy();
    },
  },
];

const HEADERS: readonly [name: string, bytes: Uint8Array][] = [
  ['no bytes', NOTHING],
  ['a length that is too small', rawFrame({ payloadLen: 0, mid: 3, payload: new Uint8Array(8) })],
  ['a length that is too large', rawFrame({ payloadLen: 9, mid: 3, payload: new Uint8Array(8) })],
  ['the largest length', rawFrame({ payloadLen: 0xffff_ffff, mid: 3, payload: NOTHING })],
];

const FRAME_SEQUENCES: readonly Sequence[] = [
  ...HEADERS.map(([name, bytes]): Sequence => ({
    name: `a frame with ${name}`,
    holds: 'the link is closed with 4002',
    async run(arena) {
      const attacker = await arena.attacker();
      attacker.send(bytes);
      expect(await attacker.closed).toBe(4002);
    },
  })),
  {
    name: 'a frame that ends at each byte of its header',
    holds: 'the link is closed with 4002',
    async run(arena) {
      const frame = rawFrame({ payloadLen: 0, mid: 258, tag: 1, payload: NOTHING });
      for (let size = 0; size < frame.length; size++) {
        const attacker = await arena.attacker();
        await attacker.session();
        attacker.send(frame.subarray(0, size));
        expect(await attacker.closed).toBe(4002);
      }
    },
  },
  ...REQUESTS.map((message): Sequence => ({
    name: `${message} that ends at each byte, and that goes on`,
    holds: 'EIO, or EOPNOTSUPP where it is not served, and the folder is as it was',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const before = arena.lookInside();
      const payload = encodeRequestOf(
        message,
        validRequest(message, await someFds(attacker, root)),
      );
      const wanted = messageRow(message).needsHostFd === true ? 'EOPNOTSUPP' : 'EIO';
      const wrong = [new Uint8Array([...payload, 0])];
      for (let size = 0; size < payload.length; size++) wrong.push(payload.slice(0, size));
      for (const bytes of wrong) {
        expect((await attacker.callPayload(message, bytes)).said).toBe(wanted);
      }
      expect(arena.lookInside()).toEqual(before);
    },
  })),
  {
    name: 'messages that there are not, and those that only servers send',
    holds: 'EOPNOTSUPP or EINVAL for each',
    async run(arena) {
      const { attacker } = await arena.mounted();
      for (const mid of [0, 34, 100, 255, 300, 511, 512, 513, 514, 515, 0xffff]) {
        const tag = attacker.nextTag();
        const answered = attacker.answer('Ping', tag);
        attacker.sendPayload(mid, new Uint8Array(16), tag);
        expect(['EOPNOTSUPP', 'EINVAL']).toContain((await answered).said);
      }
    },
  },
  {
    name: 'a request without a tag, where there are tags',
    holds: 'the link is closed with 4002',
    async run(arena) {
      const { attacker } = await arena.mounted();
      attacker.sendRequest('Ping', {}, 0);
      expect(await attacker.closed).toBe(4002);
    },
  },
];

const SESSION_SEQUENCES: readonly Sequence[] = [
  ...[0, 1, 15, 16, 17, 1 << 20].map((size): Sequence => ({
    name: `a forged session id of ${size} bytes`,
    holds: 'a new session, and none of another’s FDs',
    async run(arena) {
      await arena.mounted();
      const attacker = await arena.attacker();
      expect((await attacker.session(new Uint8Array(size).fill(7))).isResumed).toBe(false);
      expect((await attacker.call('FStat', { fd: 1 })).said).toBe('EBADF');
    },
  })),
  {
    name: 'a session id that differs in its last bit',
    holds: 'a new session',
    async run(arena) {
      const owner = await arena.attacker();
      const { sessionId } = await owner.session();
      const forged = sessionId.slice();
      forged[15]! ^= 1;
      const attacker = await arena.attacker();
      expect((await attacker.session(forged)).isResumed).toBe(false);
    },
  },
  {
    name: 'a change with an old tag after the session was resumed',
    holds: 'it is answered as it was, and not done again',
    async run(arena) {
      const owner = await arena.attacker();
      const { sessionId } = await owner.session();
      const dirFD = await owner.mount();
      const values = { dirFD, uid: 0xffff_ffff, gid: 0xffff_ffff, mode: 0o700, name: 'once' };
      expect((await owner.call('MkdirAt', values, 50)).said).toBe('OK');
      await owner.vanish();
      const back = await arena.attacker();
      const awaited = [50];
      expect((await back.session(sessionId, { lastTag: 50, awaited })).isResumed).toBe(true);
      expect((await back.call('MkdirAt', values, 50)).said).toBe('OK');
      expect((await back.call('MkdirAt', values, 51)).said).toBe('EEXIST');
    },
  },
  {
    name: 'Session on and on, from who never reads',
    holds: 'the link is closed, or no more is taken from it',
    async run(arena) {
      const attacker = await arena.attacker();
      await attacker.session();
      attacker.socket.pause();
      const seen = { lastTag: 0, awaited: [] };
      for (let count = 0; count < 200_000; count++) {
        attacker.sendRequest('Session', { headerVersion: 2, sessionId: NOTHING, ...seen });
      }
      await arena.attacker();
      await attacker.vanish();
    },
  },
  {
    name: 'more sessions than there may be, each left without a word',
    holds: 'others get in all the same',
    async run(arena) {
      for (let count = 0; count < 1100; count++) {
        const attacker = await Attacker.connect(arena.server);
        await attacker.session();
        await attacker.vanish();
      }
    },
  },
];

const EXHAUSTING_SEQUENCES: readonly Sequence[] = [
  {
    name: 'FDs until there are no more',
    holds: 'EMFILE, and another client has its own',
    server: 'small',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      let said = 'OK';
      while (said === 'OK')
        said = (await attacker.call('Walk', { dirFD: root, path: ['file'] })).said;
      expect(said).toBe('EMFILE');
      await arena.mounted();
    },
  },
  {
    name: 'watches until there are no more',
    holds: 'ENOSPC',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      let said = 'OK';
      for (let count = 0; said === 'OK' && count < 2000; count++) {
        said = (await attacker.call('Watch', { fd: root, mask: 1, isRecursive: false })).said;
        if (count % 100 === 99)
          attacker.sendRequest('Ack', { lastTag: attacker.lastTag, awaited: [] }, 1);
      }
      expect(said).toBe('ENOSPC');
    },
  },
  {
    name: 'more requests at a time than there may be',
    holds: 'the link is closed with 4002',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      for (let count = 0; count < 2000; count++) attacker.sendRequest('FStat', { fd: root });
      expect(await attacker.closed).toBe(4002);
    },
  },
  {
    name: 'two megabytes of each request, without reading any',
    holds: 'what is kept for it is bounded',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const file = await attacker.walk(root, 'file');
      const fd = await attacker.open(file, O_RDWR);
      for (let offset = 0; offset < 4; offset++) {
        await attacker.must('PWrite', { fd, offset: offset << 19, data: new Uint8Array(1 << 19) });
      }
      attacker.socket.pause();
      const count = PAYLOAD_SIZE_MAX - 8;
      for (let sent = 0; sent < 120; sent++)
        attacker.sendRequest('PRead', { fd, offset: 0, count });
      await arena.mounted();
      await attacker.vanish();
    },
    fdsLeft: 4,
  },
  ...[FLOCK, OFD_LOCK].map((kind): Sequence => ({
    name: `locks of kind ${kind}, taken and given up by another owner each time`,
    holds: 'nothing is left of them',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const fd = await attacker.open(await attacker.walk(root, 'file'), O_RDWR);
      const range = { fd, start: 0, length: 0, pid: 1, kind, wait: false };
      for (let owner = 1; owner <= 300; owner++) {
        await attacker.must('SetLock', { ...range, owner, type: 1 });
        await attacker.must('SetLock', { ...range, owner, type: 2 });
      }
    },
  })),
  {
    name: 'locks until the table is full',
    holds: 'ENOLCK for one more, and another client’s session has room for its own',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      // Of several files, as a list of locks takes the longer the more there are of one.
      const fds: number[] = [];
      for (let file = 0; file < 50; file++) {
        const asked = { dirFD: root, uid: 0, gid: 0, mode: 0o600, flags: O_RDWR };
        const made = await attacker.must('OpenCreateAt', { ...asked, name: `locked-${file}` });
        fds.push(made.newFD);
      }
      const each = { length: 1, pid: 1, kind: OFD_LOCK, owner: 1, type: 1, wait: false };
      let said = 'OK';
      // Every other byte: none of them can be joined to another.
      for (let count = 0; said === 'OK' && count <= LOCKS_MAX; count++) {
        const fd = fds[count % fds.length]!;
        said = (await attacker.call('SetLock', { ...each, fd, start: 2 * count })).said;
        if (count % 100 === 99)
          attacker.sendRequest('Ack', { lastTag: attacker.lastTag, awaited: [] }, 1);
      }
      expect(said).toBe('ENOLCK');
      const other = await arena.mounted();
      const its = await other.attacker.open(
        await other.attacker.walk(other.root, 'dir', 'inner'),
        O_RDWR,
      );
      await other.attacker.must('SetLock', { ...each, fd: its, start: 0 });
    },
  },
  {
    name: 'one FD that is synced 60,000 times in a request',
    holds: 'it is synced once',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const fd = await attacker.open(await attacker.walk(root, 'file'), O_RDONLY);
      await attacker.must('FSync', { fds: new Array<number>(60_000).fill(fd) });
    },
  },
];

export const LINK_FAMILIES = {
  handshakes: HANDSHAKE_SEQUENCES,
  WebSockets: SOCKET_SEQUENCES,
  frames: FRAME_SEQUENCES,
  sessions: SESSION_SEQUENCES,
  'taking all there is': EXHAUSTING_SEQUENCES,
};
