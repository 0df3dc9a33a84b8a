// What an export lets clients do, whatever the host would let the gofer do.

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_WHITEOUT,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../src/abi/fcntl.ts';
import { S_IFCHR, S_IFREG, S_PERMISSIONS, STATX_MODE, STATX_SIZE } from '../../../src/abi/stat.ts';
import { openHostRoot } from '../../../src/fsgofer/host-root.ts';
import { HostExport } from '../../../src/fsgofer/host-export.ts';
import { FdBudget } from '../../../src/fsgofer/host-fd.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { OWNER, useServedTree } from './served-support.ts';
import { clock, failureOf, isRoot, koffiCalls } from './support.ts';

const ZERO = { sec: 0, nsec: 0 };
const NO_CHANGE = { ...OWNER, mask: 0, mode: 0, size: 0, atime: ZERO, mtime: ZERO };

describe('read-only', () => {
  const { tree, start } = useServedTree();

  function fill(): void {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('file'), 'hello');
    symlinkSync('file', tree().in('link'));
  }

  test('a server refuses what changes anything, and reads', async () => {
    fill();
    const client = await start({ isReadOnly: true });
    const fd = await client.fd('file');
    expect(await client.read(await client.open(O_RDONLY, 'file'))).toBe('hello');
    for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
      await expect(client.call('OpenAt', { fd, flags })).rejects.toBe(linuxerr.EROFS);
    }
    expect(statSync(tree().in('file')).size).toBe(5);
  });

  test('what is served refuses it itself, whatever a server forgets', async () => {
    fill();
    const options = { clock, calls: koffiCalls, fdsMax: 50, clientFdsMax: 50, isReadOnly: true };
    const hostExport = await HostExport.open(tree().root, options);
    const { file: root } = await runAsync(hostExport.pin({}));
    const { file } = await runAsync(root.walk('file'));
    const before = lstatSync(tree().in('file'));
    const creation = { ...OWNER, mode: 0o644 };
    const changes = [
      () => root.create('new', creation, O_RDWR),
      () => root.mkdir('new', creation),
      () => root.mknod('new', { ...creation, mode: S_IFREG }, { major: 0, minor: 0 }),
      () => root.symlink('new', 'x', OWNER),
      () => root.link(file, 'new'),
      () => root.unlink('file', 0),
      () => root.rename('file', root, 'new', 0),
      () => file.setStat({ ...NO_CHANGE, mask: STATX_MODE }),
      () => file.setXattr('user.a', new Uint8Array(1), 0),
      () => file.removeXattr('user.a'),
      () => file.open(O_WRONLY),
      () => file.open(O_RDWR),
      () => file.open(O_RDONLY | O_TRUNC),
    ];
    for (const change of changes) {
      expect(await failureOf(runAsync<unknown>(change()))).toBe('EROFS');
    }
    await runAsync((await runAsync(file.open(O_RDONLY))).close());
    for (const each of [file, root]) await runAsync(each.close());
    await hostExport.close();
    expect(readdirSync(tree().root).toSorted()).toEqual(['directory', 'file', 'link']);
    const { mode, size, ctimeMs } = lstatSync(tree().in('file'));
    expect([mode, size, ctimeMs]).toEqual([before.mode, before.size, before.ctimeMs]);
  });
});

describe('set-ID bits', () => {
  const { tree, start } = useServedTree();
  const permissionsOf = (name: string): number => lstatSync(tree().in(name)).mode & S_PERMISSIONS;

  test('are left out of what clients set', async () => {
    const client = await start();
    const { child } = await client.create('file', 0o6755);
    expect(child.statx.mode & S_PERMISSIONS).toBe(0o755);
    await client.mknod('node', S_IFREG | 0o6711);
    await client.mkdir('directory', 0o6755);
    const change = { ...NO_CHANGE, fd: child.controlFD, mask: STATX_MODE, mode: 0o7777 };
    expect(await client.call('SetStat', change)).toEqual({ failureMask: 0, failureErrno: 0 });
    expect(permissionsOf('file')).toBe(0o1777);
    expect(permissionsOf('node')).toBe(0o711);
    // Whose group is inherited is nobody's right.
    expect(permissionsOf('directory')).toBe(0o2755);
  });

  test('are lost by a file a client opens to write, or truncates', async () => {
    for (const name of ['opened', 'truncated', 'read']) {
      writeFileSync(tree().in(name), 'hello');
      chmodSync(tree().in(name), 0o6755);
    }
    // If anybody else writes, Linux does it.
    const client = await start({ isRoot: true });
    await client.open(O_WRONLY, 'opened');
    await client.open(O_RDONLY, 'read');
    const fd = await client.fd('truncated');
    await client.call('SetStat', { ...NO_CHANGE, fd, mask: STATX_SIZE, size: 1 });
    expect(['opened', 'truncated', 'read'].map(permissionsOf)).toEqual([0o755, 0o755, 0o6755]);
    expect(statSync(tree().in('truncated')).size).toBe(1);
  });

  test('are set if that is allowed', async () => {
    const client = await start({ allowsSetId: true });
    await client.create('file', 0o6755);
    await client.open(O_WRONLY, 'file');
    expect(permissionsOf('file')).toBe(0o6755);
  });
});

describe('extended attributes', () => {
  const { tree, start } = useServedTree();
  const value = encodeUtf8('value');

  test('of users are kept on the host', async () => {
    writeFileSync(tree().in('file'), '');
    const client = await start();
    const fd = await client.fd('file');
    const set = (name: string, flags = 0): Promise<object> =>
      client.call('FSetXattr', { fd, flags, name, value });
    const get = async (name: string, bufSize = 0): Promise<string> =>
      decodeUtf8((await client.call('FGetXattr', { fd, bufSize, name })).value);
    await set('user.a');
    await set('user.ä', XATTR_CREATE);
    await expect(set('user.a', XATTR_CREATE)).rejects.toBe(linuxerr.EEXIST);
    await expect(set('user.b', XATTR_REPLACE)).rejects.toBe(linuxerr.ENODATA);
    expect(await get('user.a')).toBe('value');
    expect(await get('user.a', 5)).toBe('value');
    await expect(get('user.a', 4)).rejects.toBe(linuxerr.ERANGE);
    const host = await openHostRoot(tree().root, {
      clock,
      calls: koffiCalls,
      budget: new FdBudget({ fdsMax: 10, error: linuxerr.EMFILE }),
    });
    const { file } = await host.walk('file');
    expect(await file.getXattr('user.ä')).toEqual(new Uint8Array(value));
    await file.close();
    await host.close();
    const names = async (size: number): Promise<unknown[]> =>
      [...(await client.call('FListXattr', { fd, size })).names].toSorted();
    expect(await names(0)).toEqual(['user.a', 'user.ä']);
    expect(await names(15)).toEqual(['user.a', 'user.ä']);
    await expect(names(14)).rejects.toBe(linuxerr.ERANGE);
    await client.call('FRemoveXattr', { fd, name: 'user.a' });
    await expect(get('user.a')).rejects.toBe(linuxerr.ENODATA);
    expect(await names(0)).toEqual(['user.ä']);
  });

  test('of the host’s own are not for clients, unless that is said', async () => {
    writeFileSync(tree().in('file'), '');
    // Only root sets the former.
    const name = isRoot ? 'trusted.burrow' : 'user.burrow';
    const privileged = await start({ xattrPrefixes: [name] });
    const call = { flags: 0, name, value };
    await privileged.call('FSetXattr', { ...call, fd: await privileged.fd('file') });
    const client = await start(isRoot ? {} : { xattrPrefixes: ['user.a'] });
    const fd = await client.fd('file');
    await client.call('FSetXattr', { ...call, fd, name: 'user.a' });
    for (const hidden of [name, 'security.burrow', 'system.posix_acl_access', 'user', '']) {
      const requests = [
        () => client.call('FSetXattr', { ...call, fd, name: hidden }),
        () => client.call('FGetXattr', { fd, bufSize: 0, name: hidden }),
        () => client.call('FRemoveXattr', { fd, name: hidden }),
      ];
      for (const request of requests) await expect(request()).rejects.toBe(linuxerr.EOPNOTSUPP);
    }
    expect((await client.call('FListXattr', { fd, size: 0 })).names).toEqual(['user.a']);
    const hiddenFd = await privileged.fd('file');
    const { names } = await privileged.call('FListXattr', { fd: hiddenFd, size: 0 });
    expect(names).toEqual([name]);
  });
});

describe('nodes', () => {
  const { tree, start } = useServedTree();

  test('whiteouts are made if that is allowed, by mknod and by rename', async () => {
    writeFileSync(tree().in('file'), '');
    const renaming = { oldName: 'file', newName: 'moved', flags: RENAME_WHITEOUT };
    const refused = await start();
    const [oldDir, newDir] = [refused.rootFD, refused.rootFD];
    const withWhiteout = refused.call('RenameAt2', { ...renaming, oldDir, newDir });
    await expect(withWhiteout).rejects.toBe(linuxerr.EINVAL);
    await expect(refused.mknod('node', S_IFCHR)).rejects.toBe(linuxerr.EPERM);
    const client = await start({ nodeTypes: [S_IFCHR] });
    await client.mknod('node', S_IFCHR);
    await expect(client.mknod('null', S_IFCHR, 3)).rejects.toBe(linuxerr.EPERM);
    await expect(client.mknod('other', S_IFREG)).rejects.toBe(linuxerr.EPERM);
    expect(lstatSync(tree().in('node')).isCharacterDevice()).toBe(true);
    const [from, to] = [client.rootFD, client.rootFD];
    await client.call('RenameAt2', { ...renaming, oldDir: from, newDir: to });
    expect(lstatSync(tree().in('file')).isCharacterDevice()).toBe(true);
    expect(readFileSync(tree().in('moved'), 'utf8')).toBe('');
  });
});
