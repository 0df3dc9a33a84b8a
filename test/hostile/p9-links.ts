// Sequences about links of 9P: handshakes, who attaches, frames and tags; by WebSocket and by TCP.

import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import { MSIZE_MAX } from '../../src/p9/frame.ts';
import { type MessageName, MESSAGES } from '../../src/p9/messages.ts';
import { LOCK_FLAGS_BLOCK, LOCK_TYPE_WRLCK, NO_ID, NOFID, NOTAG } from '../../src/p9/records.ts';
import { P9_PROTOCOL } from '../../src/p9/version.ts';
import { protocolsFor } from '../../src/transport/gofer-url.ts';
import { type Arena, TOKEN, until } from './arena.ts';
import { BINARY, FIN, openByHand, statusOf, webSocketFrame } from './by-hand.ts';
import { P9Attacker, rawFrame, refused } from './p9-attacker.ts';
import { encodeBodyOf, REQUESTS, someFids, validRequest } from './p9-values.ts';
import { type Way, WAYS } from './p9-wire.ts';
import type { Sequence } from './sequence.ts';

const NOTHING = new Uint8Array(0);
const [BEARER = ''] = protocolsFor(TOKEN);
const OFFER = `${P9_PROTOCOL}, ${BEARER}`;

/** The same by both ways. */
export function byBoth(
  { name, ...rest }: Omit<Sequence, 'run' | 'by'>,
  run: (arena: Arena, way: Way) => Promise<void>,
): Sequence[] {
  return WAYS.map((way) => ({
    ...rest,
    name: `${name}, by ${way}`,
    by: '9P',
    run: (arena) => run(arena, way),
  }));
}

const offers = (protocol: string, origin?: string): Record<string, string> => ({
  'Sec-WebSocket-Protocol': protocol,
  ...(origin !== undefined && { Origin: origin }),
});

const HANDSHAKES: readonly [name: string, headers: Record<string, string>, status: number][] = [
  ['9P and no token, by HTTP', {}, 401],
  ['9P in capitals', offers(`9P2000.L, ${BEARER}`), 400],
  ['9P of another dialect', offers(`9p2000.u, ${BEARER}`), 400],
  ['9P from a foreign page', offers(OFFER, 'https://evil.example'), 403],
  ['9P from a page without an origin', offers(OFFER, 'null'), 403],
  ['9P from a name like localhost', offers(OFFER, 'http://127.0.0.1.evil.example'), 403],
  ['9P from a page, with a wrong token', offers(P9_PROTOCOL, 'https://evil.example'), 403],
];

const HANDSHAKE_SEQUENCES: readonly Sequence[] = [
  ...HANDSHAKES.map(([name, headers, status]): Sequence => ({
    name: `a handshake with ${name}`,
    holds: `it is refused with ${status}`,
    by: '9P',
    async run(arena) {
      expect(await statusOf(arena, headers)).toBe(status);
    },
  })),
  ...['', 'wrong', `${TOKEN}2`].map((token): Sequence => ({
    name: `9P with the token ${JSON.stringify(token)}, and requests on the link that is closed`,
    holds: '4401, and nothing is answered',
    by: '9P',
    async run({ server }) {
      const { url, p9Port } = server;
      const attacker = await P9Attacker.connect('WebSocket', { url, token, p9Port });
      attacker.sendT('version', { msize: MSIZE_MAX, version: '9P2000.L' }, NOTAG);
      attacker.sendT('attach', { fid: 1, afid: NOFID, uname: '', aname: '/', nUname: 0 });
      expect(await attacker.closed).toBe(4401);
      expect(attacker.unasked).toEqual([]);
    },
  })),
];

/** Where an attach might lead, with what it says then. */
const ANAMES: readonly [aname: string, said: string][] = [
  ['..', 'EINVAL'],
  ['/../outside', 'EINVAL'],
  ['dir/../../outside', 'EINVAL'],
  ['/dir/.', 'EINVAL'],
  ['/etc', 'ENOENT'],
  ['/proc/self/root', 'ENOENT'],
  ['file\0', 'EINVAL'],
  ['x'.repeat(256), 'ENAMETOOLONG'],
  ['link/x', 'ENOTDIR'],
  ['away/secret', 'ENOTDIR'],
  ['file/x', 'ENOTDIR'],
];

const ATTACH_SEQUENCES: readonly Sequence[] = [
  ...byBoth(
    { name: 'every request before Tattach', holds: 'EBADF, as nobody has a fid' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      await attacker.version(13);
      const some = { directory: 1, file: 1, link: 1, openFile: 1, openDirectory: 1 };
      for (const message of REQUESTS) {
        if (message === 'attach' || message === 'auth') continue;
        const body = encodeBodyOf(message, validRequest(message, some));
        expect((await attacker.callBody(message, body)).said, message).toBe('EBADF');
      }
    },
  ),
  ...byBoth(
    { name: 'Tauth, and an attach with what it was to make', holds: 'ENOENT, and EINVAL' },
    async (arena, way) => {
      const { attacker } = await arena.attached(way);
      const who = { uname: TOKEN, aname: '/', nUname: 0 };
      for (const afid of [0, 1, 7, NOFID]) {
        expect((await attacker.call('auth', { afid, ...who })).said).toBe('ENOENT');
      }
      // Whoever is let in has no more to show, whatever it says.
      for (const afid of [0, 1, 7]) {
        expect((await attacker.call('attach', { fid: 50, afid, ...who })).said).toBe('EINVAL');
        const written = { fid: afid === 1 ? 9 : afid, offset: 0, data: Buffer.from(TOKEN) };
        expect((await attacker.call('write', written)).said).toBe('EBADF');
      }
    },
  ),
  ...byBoth(
    { name: 'attaches that lead elsewhere', holds: 'each is refused, and makes no fid' },
    async (arena, way) => {
      const { attacker } = await arena.attached(way);
      for (const [aname, said] of ANAMES) {
        const who = { afid: NOFID, uname: '/etc/passwd', nUname: NO_ID };
        expect((await attacker.call('attach', { fid: 50, ...who, aname })).said, aname).toBe(said);
        expect((await attacker.call('getattr', { fid: 50, requestMask: 0n })).said).toBe('EBADF');
      }
    },
  ),
  ...byBoth(
    { name: 'an attach to a symlink', holds: 'it is the link, and not where that leads' },
    async (arena, way) => {
      const { attacker } = await arena.attached(way);
      const fid = await attacker.attach('/away');
      expect((await attacker.must('readlink', { fid })).target).toBe('../outside');
      const walked = await attacker.call('walk', { fid, newfid: 60, names: ['secret'] });
      expect(walked.said).toBe('ENOTDIR');
      expect((await attacker.call('lopen', { fid, flags: 0 })).said).toBe('EINVAL');
    },
  ),
];

/** Type and tag stay as they are. */
const FRAMES: readonly [name: string, bytes: Uint8Array][] = [
  ['a size of zero', rawFrame({ type: 120, tag: 1, body: NOTHING, size: 0 })],
  [
    'a size that leaves no room for itself',
    rawFrame({ type: 120, tag: 1, body: NOTHING, size: 3 }),
  ],
  ['the largest size', rawFrame({ type: 120, tag: 1, body: NOTHING, size: 0xffff_ffff })],
  [
    'a size of one byte too many',
    rawFrame({ type: 120, tag: 1, body: NOTHING, size: MSIZE_MAX + 1 }),
  ],
];

const FRAME_SEQUENCES: readonly Sequence[] = [
  ...FRAMES.flatMap(([name, bytes]) =>
    byBoth(
      { name: `9P: a frame with ${name}`, holds: 'the link is closed' },
      async (arena, way) => {
        const { attacker } = await arena.attached(way);
        attacker.send(bytes);
        expect(await attacker.closed).toBe(refused(way));
      },
    ),
  ),
  {
    name: '9P: messages that end at each byte of a frame, and one that goes on',
    holds: 'the link is closed with 4002',
    by: '9P',
    async run(arena) {
      const frame = rawFrame({ type: 120, tag: 1, body: Uint8Array.of(1, 0, 0, 0) });
      const wrong = [new Uint8Array([...frame, 0])];
      for (let size = 0; size < frame.length; size++) wrong.push(frame.slice(0, size));
      for (const bytes of wrong) {
        const { attacker } = await arena.attached('WebSocket');
        attacker.send(bytes);
        expect(await attacker.closed).toBe(4002);
      }
    },
  },
  {
    name: '9P over TCP: streams that end at each byte of a frame',
    holds: 'nothing is done, and the link ends',
    by: '9P',
    async run(arena) {
      const frame = rawFrame({
        type: MESSAGES.unlinkat.type,
        tag: 1,
        body: MESSAGES.unlinkat.T.encode({ dfid: 2, name: 'file', flags: 0 }),
      });
      const before = arena.lookInside();
      for (let size = 1; size < frame.length; size++) {
        const { attacker } = await arena.attached('TCP');
        attacker.send(frame.slice(0, size));
        await attacker.leave();
      }
      expect(arena.lookInside()).toEqual(before);
    },
  },
  ...byBoth(
    { name: '9P: a frame of more than was agreed on', holds: 'the link is closed' },
    async (arena, way) => {
      const attacker = await arena.p9Attacker(way);
      expect(await attacker.version(0, 4096)).toMatchObject({ msize: 4096 });
      const fid = await attacker.attach();
      attacker.sendT('write', { fid, offset: 0, data: new Uint8Array(4096) });
      expect(await attacker.closed).toBe(refused(way));
    },
  ),
  ...byBoth(
    { name: '9P: messages that there are not', holds: 'EOPNOTSUPP, and the link goes on' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const known = new Set<number>(Object.values(MESSAGES).map(({ type }) => type));
      for (let type = 0; type < 256; type++) {
        if (known.has(type) && type !== MESSAGES.lerror.type) continue;
        const tag = attacker.nextTag();
        const answered = attacker.answer('clunk', tag);
        attacker.sendBody(type, new Uint8Array(16), tag);
        expect((await answered).said, `type ${type}`).toBe('EOPNOTSUPP');
      }
      await attacker.walk(root, 'file');
    },
  ),
  {
    name: '9P over TCP: what a browser and a client of TLS would say',
    holds: 'the link is cut off, or waits for the rest; nothing is answered to it',
    by: '9P',
    async run(arena) {
      const head = 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n';
      const http = head + 'x'.repeat(100);
      const hello = Uint8Array.of(0x16, 3, 1, 0, 0xf8, 1, 0, 0, 0xf4, 3, 3);
      const page = await arena.p9Attacker('TCP');
      page.send(Buffer.from(http));
      expect(await page.closed).toBe('cut off');
      const tls = await arena.p9Attacker('TCP');
      tls.send(hello);
      await tls.leave();
      expect([...page.unasked, ...tls.unasked]).toEqual([]);
    },
  },
];

/** A lock of the attacker's that waits, until it is flushed or its client goes. */
async function waitingLock(attacker: P9Attacker, root: number) {
  const fid = await attacker.open(root, O_RDWR, 'file');
  const lock = { fid, type: LOCK_TYPE_WRLCK, flags: LOCK_FLAGS_BLOCK, start: 0, length: 0 };
  await attacker.must('lock', { ...lock, procId: 1, clientId: 'a' });
  return { fid, tag: attacker.sendT('lock', { ...lock, procId: 2, clientId: 'a' }) };
}

/** What a client sends with a tag that it has given to a request that is under way. */
const DUPLICATES: readonly MessageName[] = ['getattr', 'lock', 'clunk', 'flush', 'mkdir'];

const TAG_SEQUENCES: readonly Sequence[] = [
  ...DUPLICATES.flatMap((message) =>
    byBoth(
      { name: `a T${message} with the tag of a lock that waits`, holds: 'the link is closed' },
      async (arena, way) => {
        const { attacker, root } = await arena.attached(way);
        const some = await someFids(attacker, root);
        const before = arena.lookInside();
        const { tag } = await waitingLock(attacker, root);
        const values = message === 'flush' ? { oldtag: tag } : validRequest(message, some);
        attacker.sendBody(MESSAGES[message].type, encodeBodyOf(message, values), tag);
        expect(await attacker.closed).toBe(refused(way));
        expect(arena.lookInside()).toEqual(before);
      },
    ),
  ),
  ...byBoth(
    { name: 'the tag of a flush that waits, again', holds: 'the link is closed' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const fid = await attacker.open(root, O_RDWR, 'file');
      // The flush waits for the write, which has begun when it comes.
      const data = new Uint8Array(MSIZE_MAX - 64);
      const written = attacker.sendT('write', { fid, offset: 0, data });
      const tag = attacker.sendT('flush', { oldtag: written });
      attacker.sendT('flush', { oldtag: written }, tag);
      attacker.sendT('flush', { oldtag: written }, tag);
      // If it was answered before, its tag was free again, and nothing is wrong.
      const isAnswered = (): boolean =>
        attacker.unasked.filter((each) => each.tag === tag).length === 3;
      await until(() => !attacker.isOpen || isAnswered(), 'the link is closed, or all is answered');
    },
  ),
  ...byBoth(
    { name: 'flushes of oneself, of flushes, and of nothing', holds: 'each is answered once' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const { tag, fid } = await waitingLock(attacker, root);
      expect((await attacker.call('flush', { oldtag: 900 }, 900)).said).toBe('OK');
      expect((await attacker.call('flush', { oldtag: NOTAG })).said).toBe('OK');
      expect((await attacker.call('flush', { oldtag: tag })).said).toBe('OK');
      expect((await attacker.call('flush', { oldtag: tag })).said).toBe('OK');
      expect(attacker.unasked).toEqual([]);
      // It was given up: nobody has what it waited for.
      await attacker.must('clunk', { fid });
    },
  ),
  ...byBoth(
    { name: 'every request with NOTAG as its tag', holds: 'it is answered with that' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const answered = attacker.answer('getattr', NOTAG);
      attacker.sendT('getattr', { fid: root, requestMask: 0n }, NOTAG);
      expect((await answered).said).toBe('OK');
    },
  ),
  ...byBoth(
    { name: 'a client’s requests, played again by another', holds: 'they are the other’s own' },
    async (arena, way) => {
      const play = async (): Promise<string[]> => {
        const { attacker, root } = await arena.attached(way);
        const file = await attacker.walk(root, 'file');
        const made = { dfid: root, name: 'once', mode: 0o700, gid: NO_ID };
        const link = { dfid: root, fid: file, name: 'twice' };
        return [
          (await attacker.call('mkdir', made)).said,
          (await attacker.call('link', link)).said,
        ];
      };
      expect(await play()).toEqual(['OK', 'OK']);
      expect(await play()).toEqual(['EEXIST', 'EEXIST']);
    },
  ),
  ...byBoth(
    { name: 'Tversion in the middle, with requests around it', holds: 'it ends what was before' },
    async (arena, way) => {
      const { attacker, root } = await arena.attached(way);
      const { fid, tag } = await waitingLock(attacker, root);
      const versioned = attacker.answer('version', NOTAG);
      attacker.sendT('version', { msize: 8192, version: '9P2000.L' }, NOTAG);
      const early = attacker.answer('write', 70);
      attacker.sendT('write', { fid, offset: 0, data: Uint8Array.of(1) }, 70);
      expect((await versioned).values).toEqual({ msize: 8192, version: '9P2000.L' });
      expect((await early).said).toBe('EBADF');
      expect(attacker.unasked.map((frame) => frame.tag)).not.toContain(tag);
      // Its locks went with it.
      const again = await attacker.open(await attacker.attach(), O_RDWR, 'file');
      const lock = { fid: again, type: LOCK_TYPE_WRLCK, flags: 0, start: 0, length: 0 };
      const { status } = await attacker.must('lock', { ...lock, procId: 3, clientId: 'b' });
      expect(status).toBe(0);
    },
  ),
];

const SLOW_SEQUENCES: readonly Sequence[] = [
  {
    name: '9P over TCP: a byte at a time',
    holds: 'the requests are done as others are',
    by: '9P',
    async run(arena) {
      const { attacker, root } = await arena.attached('TCP');
      const body = MESSAGES.walk.T.encode({ fid: root, newfid: 80, names: ['dir', 'inner'] });
      const answered = attacker.answer('walk', 9);
      for (const byte of rawFrame({ type: MESSAGES.walk.type, tag: 9, body })) {
        attacker.send(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      expect((await answered).values?.qids).toHaveLength(2);
    },
  },
  {
    name: '9P by WebSocket: a frame of a byte at a time, header and all',
    holds: 'it is one message, and is answered',
    by: '9P',
    async run(arena) {
      const { socket, closed } = await openByHand(arena, OFFER);
      const body = MESSAGES.version.T.encode({ msize: 8192, version: '9P2000.L' });
      const frame = rawFrame({ type: MESSAGES.version.type, tag: NOTAG, body });
      let size = 0;
      socket.on('data', (data: Buffer) => (size += data.length));
      for (const byte of webSocketFrame(FIN | BINARY, frame)) {
        socket.write(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      // RFC 6455: two bytes before what a server sends; Rversion is as long as Tversion.
      await until(() => size === 2 + frame.length, 'there is an answer');
      socket.destroy();
      await closed;
    },
  },
  {
    name: '9P over TCP: 60 links that say how much is to come, and then nothing',
    holds: 'no memory is kept for it, and others are served',
    by: '9P',
    async run(arena) {
      const sockets = Array.from({ length: 60 }, () => connect(arena.server.p9Port, '127.0.0.1'));
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(rawFrame({ type: 118, tag: 1, body: NOTHING, size: MSIZE_MAX }));
      }
      const { attacker, root } = await arena.attached('TCP');
      await attacker.walk(root, 'file');
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: '9P over TCP: links that take all places and say nothing',
    holds: 'one more is cut off, and others get in when they have gone',
    server: 'small',
    by: '9P',
    async run(arena) {
      const first = await arena.p9Attacker('TCP');
      for (let count = 0; count < 3; count++) await arena.p9Attacker('TCP');
      const last = await arena.p9Attacker('TCP');
      expect(await last.closed).toBe('cut off');
      expect(await statusOf(arena, offers(OFFER))).toBe(503);
      await first.leave();
    },
  },
];

export const P9_LINK_FAMILIES = {
  handshakes: HANDSHAKE_SEQUENCES,
  'who attaches': ATTACH_SEQUENCES,
  frames: FRAME_SEQUENCES,
  'tags and flushes': TAG_SEQUENCES,
  'byte by byte': SLOW_SEQUENCES,
};
