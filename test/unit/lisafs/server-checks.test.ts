// The lisafs server: the order of its checks, limits, and requests at the same time.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES, type MessageName, type RequestOf } from '../../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN } from '../../../src/lisafs/records.ts';
import {
  client,
  create,
  end,
  FILE,
  OWNER,
  read,
  root,
  served,
  start,
  startSession,
} from './fixture.ts';
import { settle } from './raw-client.ts';

afterEach(end);

/** No id may come twice. */
let lastId = 2 * CLIENT_FD_MIN - 1_000_000;

/** One request of each kind that names something, with what it needs to be decoded. */
function requestsWith(name: string, fd: number): Partial<{ [M in MessageName]: RequestOf<M> }> {
  const common = { dirFD: fd, ...FILE, name };
  const rename = { oldDir: fd, newDir: fd, oldName: name, newName: 'ok' };
  return {
    Walk: { dirFD: fd, path: [name] },
    WalkStat: { dirFD: fd, path: ['ok', name] },
    WalkOpenRead: { dirFD: fd, flags: 0, maxBytes: 0, path: [name] },
    OpenCreateAt: { ...common, flags: O_RDWR },
    MkdirAt: common,
    MknodAt: { ...common, major: 0, minor: 0 },
    SymlinkAt: { dirFD: fd, ...OWNER, name, target: 'x' },
    LinkAt: { dirFD: fd, targetFD: fd, name },
    UnlinkAt: { dirFD: fd, flags: 0, name },
    RenameAt: rename,
    RenameAt2: { ...rename, oldName: 'ok', newName: name, flags: 0 },
    CreateWrite: {
      ...common,
      flags: O_RDWR,
      clientFD: ++lastId,
      clientOpenFD: 0,
      data: new Uint8Array(1),
    },
    MkdirAs: { ...common, clientFD: ++lastId },
  };
}

async function callAll(
  requests: Partial<{ [M in MessageName]: RequestOf<M> }>,
): Promise<Record<string, unknown>> {
  const outcomes: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(requests)) {
    outcomes[name] = await client.call(name as MessageName, values as never).then(
      () => 'done',
      (error: unknown) => (error as { code?: string }).code ?? error,
    );
  }
  return outcomes;
}

describe('checks', () => {
  test.each(['', '.', '..', 'a/b', '/', 'a\0b'])('%j is no name', async (name) => {
    await start();
    const outcomes = await callAll(requestsWith(name, root));
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['EINVAL']));
    expect(served.tree.changes).toEqual([]);
  });

  test('a name of more than 255 bytes is too long', async () => {
    await start();
    const outcomes = await callAll(requestsWith('é'.repeat(128), root));
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['ENAMETOOLONG']));
  });

  test('an FD that is not there is EBADF, and one of the other kind EINVAL', async () => {
    await start();
    const missing = await callAll(requestsWith('name', 99));
    expect(new Set(Object.values(missing))).toEqual(new Set(['EBADF']));
    const { fd, openFD } = await create('file');
    const wrong = await callAll(requestsWith('name', openFD));
    expect(new Set(Object.values(wrong))).toEqual(new Set(['EINVAL']));
    const notDirectory = await callAll(requestsWith('name', fd));
    expect(new Set(Object.values(notDirectory))).toEqual(new Set(['ENOTDIR']));
    await expect(read(fd)).rejects.toBe(linuxerr.EINVAL);
    await expect(client.call('FSync', { fds: [openFD, 99] })).rejects.toBe(linuxerr.EBADF);
    expect(served.tree.changes).toContain('sync');
  });

  test('a read-only server changes nothing, whatever comes', async () => {
    await start({ isReadOnly: true });
    const { supportedMIDs } = await client.call('Mount', {});
    const values = requestsWith('..', 99);
    for (const name of Object.keys(MESSAGES) as MessageName[]) {
      const { onReadOnly, mid, request } = MESSAGES[name];
      if (onReadOnly !== 'refused' || !supportedMIDs.includes(mid)) continue;
      // Before it is even looked at.
      const garbage = values[name] ?? { ...anything(request) };
      await expect(client.call(name, garbage as never), name).rejects.toBe(linuxerr.EROFS);
    }
    for (const flags of [O_WRONLY, O_RDWR, O_TRUNC]) {
      await expect(client.call('OpenAt', { fd: root, flags })).rejects.toBe(linuxerr.EROFS);
    }
    await client.call('OpenAt', { fd: root, flags: O_RDONLY });
    expect(served.tree.changes).toEqual([]);
  });

  function anything({ table }: { table: object }): Record<string, unknown> {
    const time = { sec: 0, nsec: 0 };
    const bytes = new Uint8Array(0);
    const special: Record<string, unknown> = {
      name: 'x',
      value: bytes,
      data: bytes,
      atime: time,
      mtime: time,
    };
    const names = Object.keys(table).filter((name) => !name.startsWith('pad'));
    return Object.fromEntries(names.map((name) => [name, special[name] ?? 0]));
  }

  test('messages that nobody knows are EOPNOTSUPP, and none can be undecodable', async () => {
    await start();
    const header = (mid: number, size: number): number[] => [
      size,
      0,
      0,
      0,
      mid & 255,
      mid >> 8,
      0,
      0,
    ];
    client.sendBytes(Uint8Array.from(header(40_000, 0)));
    client.sendBytes(Uint8Array.from(header(MESSAGES.Connect.mid, 0)));
    client.sendBytes(Uint8Array.from(header(0, 0)));
    client.sendBytes(Uint8Array.from([...header(MESSAGES.FStat.mid, 3), 1, 2, 3]));
    await settle();
    const errors = client.replies.slice(-4).map(({ payload }) => payload[0]);
    const { EOPNOTSUPP, EINVAL, EIO } = linuxerr;
    expect(errors).toEqual([EOPNOTSUPP.errno, EOPNOTSUPP.errno, EINVAL.errno, EIO.errno]);
    // Only what is no frame ends the link.
    client.sendBytes(Uint8Array.of(1, 2, 3));
    await settle();
    expect(client.closed?.reason).toContain('no frame');
  });

  test('limits hold', async () => {
    await start({ fdsMax: 4 });
    const { openFD } = await create('file');
    const walk = client.call('Walk', { dirFD: root, path: ['file', 'file'] });
    await expect(walk).rejects.toBe(linuxerr.EMFILE);
    await expect(create('more')).rejects.toBe(linuxerr.EMFILE);
    expect(served.tree.changes).not.toContain('make more');
    const large = client.call('PRead', { fd: openFD, offset: 0, count: 3 << 20 });
    await expect(large).rejects.toBe(linuxerr.ENOBUFS);
  });

  test('an error nobody expects is told to the log, and to the client as EREMOTEIO', async () => {
    await start();
    served.tree.failure = new TypeError('oops');
    await expect(client.call('FStat', { fd: root })).rejects.toBe(linuxerr.EREMOTEIO);
    expect(served.errors.splice(0)).toEqual([new TypeError('oops')]);
    await client.call('FStat', { fd: root });
  });
});

describe('at the same time', () => {
  test('without tags requests are answered in order', async () => {
    await start();
    const release = served.tree.hold();
    client.send('MkdirAt', { dirFD: root, ...OWNER, mode: 0o755, name: 'a' });
    client.send('Walk', { dirFD: root, path: ['a'] });
    await settle();
    expect(client.replies).toHaveLength(1);
    release();
    await settle();
    const [, made, walked] = client.replies;
    expect(made!.mid).toBe(MESSAGES.MkdirAt.mid);
    expect(MESSAGES.Walk.response.decode(walked!.payload).inodes).toHaveLength(1);
  });

  test('who changes a directory has it alone', async () => {
    await startSession();
    const release = served.tree.hold();
    const common = { dirFD: root, ...FILE };
    client.send('OpenCreateAt', { ...common, flags: O_RDWR, name: 'file' }, 100);
    client.send('UnlinkAt', { dirFD: root, flags: 0, name: 'file' }, 101);
    client.send('Walk', { dirFD: root, path: ['file'] }, 102);
    client.send('RenameAt', { oldDir: root, newDir: root, oldName: 'file', newName: 'x' }, 103);
    await settle();
    release();
    await settle();
    const tags = client.replies.slice(-4).map(({ tag, mid }) => [tag, mid]);
    expect(tags).toEqual([
      [100, MESSAGES.OpenCreateAt.mid],
      [101, MESSAGES.UnlinkAt.mid],
      [102, MESSAGES.Walk.mid],
      [103, 0],
    ]);
  });

  test('files are made before anybody knows that their directory is', async () => {
    await startSession();
    const release = served.tree.hold();
    const dir = CLIENT_FD_MIN;
    const data = encodeUtf8('hello');
    client.send('MkdirAs', { dirFD: root, ...FILE, mode: 0o755, clientFD: dir, name: 'd' }, 100);
    const file = { dirFD: dir, ...FILE, flags: O_RDWR, data };
    client.send(
      'CreateWrite',
      { ...file, name: 'a', clientFD: dir + 1, clientOpenFD: dir + 2 },
      101,
    );
    client.send('CreateWrite', { ...file, name: 'b', clientFD: dir + 3, clientOpenFD: 0 }, 102);
    client.send('PRead', { fd: dir + 2, offset: 0, count: 9 }, 103);
    await settle();
    release();
    await settle();
    const { payload } = client.replies.find(({ tag }) => tag === 103)!;
    expect(decodeUtf8(MESSAGES.PRead.response.decode(payload).data)).toBe('hello');
    const { statx } = await client.call('FStat', { fd: dir + 3 });
    expect(statx.size).toBe(5);
    const again = client.call('MkdirAs', { dirFD: root, ...FILE, clientFD: dir, name: 'e' });
    await expect(again).rejects.toBe(linuxerr.EINVAL);
    const low = client.call('MkdirAs', { dirFD: root, ...FILE, clientFD: 7, name: 'e' });
    await expect(low).rejects.toBe(linuxerr.EINVAL);
  });

  test('who waits for a file that is not made is told EBADF', async () => {
    await startSession();
    const release = served.tree.hold();
    served.tree.failure = linuxerr.ENOSPC;
    const make = { dirFD: root, ...FILE, clientFD: CLIENT_FD_MIN, name: 'd' };
    client.send('MkdirAs', make, 100);
    client.send('FStat', { fd: CLIENT_FD_MIN }, 101);
    await settle();
    release();
    await settle();
    const errors = client.replies.slice(-2).map(({ payload }) => payload[0]);
    expect(errors).toEqual([linuxerr.ENOSPC.errno, linuxerr.EBADF.errno]);
  });

  test('data that could not be written leaves no file', async () => {
    await start();
    const values = { dirFD: root, ...FILE, flags: O_RDWR, name: 'f', clientFD: 0, clientOpenFD: 0 };
    served.tree.failures.set('write 1', linuxerr.ENOSPC);
    const full = client.call('CreateWrite', { ...values, data: encodeUtf8('x') });
    await expect(full).rejects.toBe(linuxerr.ENOSPC);
    expect(served.tree.top.names.size).toBe(0);
    await client.call('CreateWrite', { ...values, data: encodeUtf8('x') });
  });
});
