// Before there are fids: versions, msize, attach, and frames that are none.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { MSIZE_MAX } from '../../../src/p9/frame.ts';
import { NOFID, QTDIR } from '../../../src/p9/records.ts';
import { MSIZE_MIN } from '../../../src/p9/server.ts';
import { settle } from '../lisafs/raw-client.ts';
import { attach, useServer } from './support.ts';

const serve = useServer();

test.each([
  ['9P2000.L', 8192, '9P2000.L', 8192],
  ['9P2000.L', 2 * MSIZE_MAX, '9P2000.L', MSIZE_MAX],
  ['9P2000.L.Google.13', MSIZE_MAX, '9P2000.L.Google.13', MSIZE_MAX],
  ['9P2000.L.Google.7', MSIZE_MIN, '9P2000.L.Google.7', MSIZE_MIN],
  ['9P2000.u', 8192, 'unknown', 8192],
  ['9P2000', 8192, 'unknown', 8192],
])('%s with msize %i is answered with %s and %i', async (asked, msize, version, answered) => {
  const client = serve().connect();
  expect(await client.version(asked, msize)).toEqual({ version, msize: answered });
});

test('a later version of gVisor’s is EAGAIN, and the client goes down', async () => {
  const client = serve().connect();
  await expect(client.version('9P2000.L.Google.15')).rejects.toBe(linuxerr.EAGAIN);
  await expect(client.version('9P2000.L.Google.14')).rejects.toBe(linuxerr.EAGAIN);
  expect((await client.version('9P2000.L.Google.13')).version).toBe('9P2000.L.Google.13');
});

test('an msize that has no room for a reply is EINVAL', async () => {
  const client = serve().connect();
  await expect(client.version('9P2000.L', 0)).rejects.toBe(linuxerr.EINVAL);
  await expect(client.version('9P2000.L', MSIZE_MIN - 1)).rejects.toBe(linuxerr.EINVAL);
});

test('before the version everything is EINVAL, and after one that is unknown', async () => {
  const client = serve().connect();
  await expect(client.attach()).rejects.toBe(linuxerr.EINVAL);
  await client.version('9P2000.u');
  await expect(client.attach()).rejects.toBe(linuxerr.EINVAL);
});

test('another Tversion ends what was before: fids, locks, requests under way', async () => {
  const { client, root, memory, tree } = await attach(serve());
  await client.create(root, 'a', O_RDWR);
  const release = memory.hold();
  const tag = client.send('getattr', { fid: root, requestMask: 0n });
  await settle();
  const answered = client.version();
  await settle();
  release();
  await answered;
  expect(client.replies.some((reply) => reply.tag === tag)).toBe(false);
  expect(tree.files.size).toBe(0);
  await expect(client.walk(root)).rejects.toBe(linuxerr.EBADF);
  await client.attach();
});

test('a client that doesn’t wait for Rversion is served all the same', async () => {
  const client = serve().connect();
  const versioned = client.version();
  const fid = await client.attach();
  await versioned;
  expect(await client.walk(fid)).toBeGreaterThan(0);
});

test('Tauth is ENOENT: there is nothing to authenticate with', async () => {
  const { client } = await attach(serve());
  const values = { afid: 1, uname: 'root', aname: '', nUname: 0 };
  await expect(client.call('auth', values)).rejects.toBe(linuxerr.ENOENT);
});

test('attach to the root, and to what is below it', async () => {
  const { client, root } = await attach(serve());
  await client.call('mkdir', { dfid: root, name: 'a', mode: 0o755, gid: 0 });
  const above = await client.walk(root, 'a');
  await client.call('mkdir', { dfid: above, name: 'b', mode: 0o755, gid: 0 });
  const fid = client.newFid();
  const common = { afid: NOFID, uname: '', nUname: 0 };
  const { qid } = await client.call('attach', { ...common, fid, aname: '/a//b/' });
  expect(qid.type).toBe(QTDIR);
  const other = await client.walk(root, 'a', 'b');
  const { qid: same } = await client.call('getattr', { fid: other, requestMask: 0n });
  expect(same.path).toBe(qid.path);
});

test('attach that is refused', async () => {
  const { client, root } = await attach(serve());
  const values = { fid: 50, afid: NOFID, uname: '', aname: '', nUname: 0 };
  const refused = (changed: Partial<typeof values>) =>
    expect(client.call('attach', { ...values, ...changed })).rejects;
  await refused({ afid: 3 }).toBe(linuxerr.EINVAL);
  await refused({ fid: root }).toBe(linuxerr.EINVAL);
  await refused({ fid: NOFID }).toBe(linuxerr.EINVAL);
  await refused({ aname: 'none' }).toBe(linuxerr.ENOENT);
  await refused({ aname: '/../etc' }).toBe(linuxerr.EINVAL);
  await refused({ aname: 'x'.repeat(256) }).toBe(linuxerr.ENAMETOOLONG);
});

test.each([
  ['cut short', (frame: Uint8Array) => frame.subarray(0, frame.length - 1)],
  ['goes on', (frame: Uint8Array) => Uint8Array.of(...frame, 0)],
  ['shorter than a header', (frame: Uint8Array) => frame.subarray(0, 6)],
])('a frame that is %s ends the connection', async (_name, change) => {
  const { client } = await attach(serve());
  client.transport.send(change(Uint8Array.of(11, 0, 0, 0, 120, 9, 0, 1, 0, 0, 0)));
  expect(await client.closed).toMatchObject({ code: 4002, reason: 'that is no frame of 9P2000.L' });
});

test('a frame that is larger than msize ends the connection', async () => {
  const client = serve().connect();
  await client.version('9P2000.L', 1024);
  const fid = await client.attach();
  client.send('write', { fid, offset: 0, data: new Uint8Array(1024) });
  expect(await client.closed).toMatchObject({ code: 4002 });
});

test('a body that is none, and a message there isn’t, are answered', async () => {
  const { client, root } = await attach(serve());
  const replied = client.reply(9);
  client.transport.send(Uint8Array.of(9, 0, 0, 0, 120, 9, 0, 1, 0));
  expect((await replied).body).toEqual(Uint8Array.of(linuxerr.EIO.errno, 0, 0, 0));
  for (const type of [6, 7, 99, 121, 200, 255]) {
    const unknown = client.reply(9);
    client.transport.send(Uint8Array.of(7, 0, 0, 0, type, 9, 0));
    expect((await unknown).body).toEqual(Uint8Array.of(linuxerr.EOPNOTSUPP.errno, 0, 0, 0));
  }
  await client.walk(root);
});

test('gVisor’s messages are there from their version on', async () => {
  const walk = async (version: string): Promise<unknown> => {
    const { client, root } = await attach(serve(), version);
    return client.call('walkgetattr', { fid: root, newfid: 50, names: [] });
  };
  await expect(walk('9P2000.L')).rejects.toBe(linuxerr.EOPNOTSUPP);
  await expect(walk('9P2000.L.Google.1')).rejects.toBe(linuxerr.EOPNOTSUPP);
  await expect(walk('9P2000.L.Google.2')).resolves.toMatchObject({ qids: [] });
  const { client, root } = await attach(serve(), '9P2000.L.Google.13');
  const connect = client.call('lconnect', { fid: root, flags: 0 });
  await expect(connect).rejects.toBe(linuxerr.EOPNOTSUPP);
  const channel = client.call('channel', { id: 0, control: 0 });
  await expect(channel).rejects.toBe(linuxerr.EOPNOTSUPP);
});
