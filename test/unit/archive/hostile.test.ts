// Archives that want out of the directory they are unpacked to, and those that are damaged.

import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S_IFLNK } from '../../../src/abi/stat.ts';
import { ArchiveError } from '../../../src/archive/archive-error.ts';
import { directory, file, hardLink, joined, symlink, tarOf, zipOf } from './make.ts';
import { Place } from './support.ts';

let place: Place;

beforeEach(async () => {
  place = await Place.open();
  await place.mkdir('/to');
  await place.mkdir('/outside');
  await place.put('/outside/file', 'outside');
});

afterEach(async () => {
  const { '.': root, file, ...more } = await place.tree('/outside');
  expect(root?.mode).toBe(0o40755);
  expect(file?.mode).toBe(0o100644);
  expect(await place.text('/outside/file')).toBe('outside');
  expect(more).toEqual({});
  await place.close();
});

const unpack = (bytes: Uint8Array) => place.unpack('/to', bytes);

/** It fails with this code, and the message says this. */
async function refuses(bytes: Uint8Array, code: string, message: string): Promise<void> {
  await expect(unpack(bytes)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message) as string,
  });
}

describe('out of the directory', () => {
  test.each(['../outside/more', 'a/../../outside/more', '..', 'a/..'])(
    'a name with ".." is refused: %s',
    async (name) => {
      const message = `'${name}' leads out of the archive`;
      await refuses(tarOf([file('first', ''), file(name, 'x')]), 'EINVAL', message);
      await refuses(zipOf([{ name, data: 'x' }]), 'EINVAL', message);
      expect(await place.t.list('/to')).toEqual(['first']);
    },
  );

  test('an absolute name is one beneath the directory', async () => {
    await unpack(tarOf([file('/outside/file', 'tar'), hardLink('//again', '/outside/file')]));
    expect(await place.text('/to/outside/file')).toBe('tar');
    expect(await place.text('/to/again')).toBe('tar');
    await unpack(zipOf([{ name: '/outside/file', data: 'zip' }]));
    expect(await place.text('/to/outside/file')).toBe('zip');
  });

  test('a symlink of the archive is not followed', async () => {
    const message = "'out/more' leads through the symbolic link 'out'";
    for (const target of ['/outside', '../outside', 'sideways']) {
      const entries = [symlink('sideways', '/outside'), symlink('out', target)];
      await refuses(tarOf([...entries, file('out/more', 'x')]), 'ELOOP', message);
      await refuses(tarOf([...entries, directory('out/more')]), 'ELOOP', message);
    }
    const out = { name: 'out', data: '/outside', mode: S_IFLNK | 0o777 };
    await refuses(zipOf([out, { name: 'out/more', data: 'x' }]), 'ELOOP', message);
  });

  test('nor is one that was there before', async () => {
    await place.mkdir('/to/dir');
    await place.t.symlink('/outside', '/to/dir/out');
    const message = "'dir/out/deep/more' leads through the symbolic link 'out'";
    await refuses(tarOf([file('dir/out/deep/more', 'x')]), 'ELOOP', message);
  });

  test('a file takes the place of a symlink', async () => {
    await unpack(tarOf([symlink('out', '/outside/file'), file('out', 'inside')]));
    expect(await place.text('/to/out')).toBe('inside');
  });

  test('a directory takes the place of a symlink', async () => {
    await unpack(
      tarOf([symlink('out', '/outside'), directory('out', 0o700), file('out/more', 'x')]),
    );
    expect(await place.text('/to/out/more')).toBe('x');
  });

  test('what a directory gets last goes to no symlink in its place', async () => {
    await unpack(tarOf([directory('out', 0o700), symlink('out', '/outside')]));
    expect(await place.t.readlink('/to/out')).toBe('/outside');
  });

  test('a hard link leads neither out nor through a symlink', async () => {
    await refuses(tarOf([hardLink('l', '../outside/file')]), 'EINVAL', "'../outside/file'");
    await refuses(
      tarOf([symlink('out', '/outside'), hardLink('l', 'out/file')]),
      'ELOOP',
      "'out/file' leads through the symbolic link 'out'",
    );
    await refuses(tarOf([hardLink('l', 'gone')]), 'ENOENT', "'l' is a link to 'gone'");
    expect(await place.t.list('/to')).toEqual(['out']);
  });

  test('nor does a directory that is swapped for a symlink meanwhile', async () => {
    const parts = [
      tarOf([file('dir/one', '1')], { isOpen: true }),
      tarOf([file('dir/two', '2')], { isOpen: true }),
      tarOf([file('other', '')], { isOpen: true }),
      tarOf([file('dir/three', '3')]),
    ];
    let count = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          if (count === 1) {
            await place.t.rename('/to/dir', '/moved');
            await place.t.symlink('/outside', '/to/dir');
          }
          const part = parts[count++];
          if (part === undefined) controller.close();
          else controller.enqueue(part);
        },
      },
      { highWaterMark: 0 },
    );
    await expect(place.unpack('/to', source)).rejects.toMatchObject({ code: 'ELOOP' });
    expect(await place.text('/moved/two')).toBe('2');
  });
});

describe('damaged', () => {
  const entries = [
    directory('d', 0o700),
    file('d/one', 'x'.repeat(700)),
    file('d/two', 'y'.repeat(1500)),
  ];

  test('cut off anywhere: it says so, and what was whole stays', async () => {
    const whole = tarOf(entries);
    for (let size = 0; size < whole.length - 1024; size += 100) {
      await place.mkdir('/to');
      const message = size === 0 ? 'is empty' : size < 262 ? 'neither a tar' : 'the archive ';
      await refuses(whole.subarray(0, size), 'EINVAL', message);
      const names = (await place.tree('/to')) as Record<string, unknown>;
      expect('d/one' in names).toBe(size >= 512 + 512 + 700);
      expect('d/two' in names).toBe(size >= 2048 + 512 + 1500);
      if ('d' in names) expect(names['d']).toMatchObject({ mode: 0o40700 });
      await place.run(place.fs.rm('/to', { recursive: true, force: false }));
    }
    await place.mkdir('/to');
    await refuses(whole.subarray(0, 2600), 'EINVAL', "the archive ends in 'd/two'");
    const uncut = tarOf(entries, { isOpen: true });
    await refuses(uncut, 'EINVAL', "it ends before the header behind 'd/two'");
  });

  test('a wrong checksum', async () => {
    const bytes = tarOf(entries);
    bytes[512 + 512 + 1024 + 3]! ^= 1;
    await refuses(bytes, 'EINVAL', "the header behind 'd/one' is damaged: its checksum is wrong");
    bytes[3]! ^= 1;
    await refuses(bytes, 'EINVAL', 'the first header is damaged: its checksum is wrong');
  });

  test('numbers and extended headers that are none', async () => {
    const bad = (pax: Record<string, string>) => tarOf([{ ...file('f', 'x'), pax }]);
    await refuses(bad({ mtime: 'soon' }), 'EINVAL', "'f' has a damaged extended header: its mtime");
    await refuses(bad({ size: '-1' }), 'EINVAL', "'f' has a damaged extended header: its size");
    await refuses(bad({ uid: '4294967295' }), 'EINVAL', "'f' has no valid owner");
    await refuses(bad({ path: 'a\0b' }), 'EINVAL', 'has a NUL in its name');
    const sparse = { 'GNU.sparse.map': '0,5', 'GNU.sparse.size': '9' };
    await refuses(bad(sparse), 'EINVAL', "'f' has a damaged map of its holes");
    const records = file('p', '999 path=x\n', { typeflag: 'x' });
    await refuses(tarOf([records, file('f', '')]), 'EINVAL', "'p' is damaged: its extended header");
    const large = file('p', '', { typeflag: 'x', size: 2 ** 30 });
    await refuses(tarOf([large]), 'EINVAL', "the extended header 'p' is too large");
  });

  test('gzip: cut off, or with bits turned', async () => {
    const packed = gzipSync(tarOf([file('f', Array.from({ length: 9000 }, String).join())]));
    await refuses(packed.subarray(0, packed.length >> 1), 'EINVAL', 'gzip data is damaged');
    const turned = Uint8Array.from(packed);
    turned[turned.length - 6]! ^= 1;
    await refuses(turned, 'EINVAL', 'gzip data is damaged');
    await refuses(gzipSync(gzipSync(tarOf([]))), 'EINVAL', 'compressed with gzip twice');
    await refuses(gzipSync('text'), 'EINVAL', 'this is no tar archive');
  });

  test('zip: cut off, or with bits turned', async () => {
    const whole = zipOf([
      { name: 'one', data: '1' },
      { name: 'two', data: '2222' },
    ]);
    await refuses(whole.subarray(0, whole.length - 1), 'EINVAL', 'no directory at its end');
    await refuses(
      zipOf([{ name: 'f', data: 'x', crc: 5 }]),
      'EINVAL',
      "'f' is damaged: its checksum",
    );
    await refuses(zipOf([{ name: 'f', data: 'x', size: 5 }]), 'EINVAL', "'f' is cut off");
    await refuses(zipOf([{ name: 'f', data: 'xxx', size: 1 }]), 'EINVAL', "'f' is longer");
    await refuses(zipOf([{ name: 'f', data: 'x', method: 8 }]), 'EINVAL', "'f' is damaged");
    await refuses(zipOf([{ name: 'f', data: 'x', method: 12 }]), 'EINVAL', "'f' is compressed in");
    await refuses(zipOf([{ name: 'f', data: 'x', flags: 1 }]), 'EINVAL', "'f' is encrypted");
    const missing = joined([whole.subarray(10)]);
    await expect(place.unpack('/to', missing, { format: 'zip' })).rejects.toThrow('damaged');
    expect(await place.t.list('/to')).toEqual([]);
  });

  test('something else', async () => {
    await refuses(new Uint8Array(600).fill(7), 'EINVAL', 'neither a tar nor a zip archive');
    const zip = zipOf([]);
    await expect(place.unpack('/to', zip, { format: 'tar' })).rejects.toThrow('no tar archive');
    await expect(place.unpack('/to', tarOf([]), { format: 'zip' })).rejects.toThrow('no directory');
    await expect(place.unpack('/outside/file', tarOf([]))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
    await expect(place.unpack('/missing', tarOf([]))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test.each(['tar', 'gzip', 'zip'])('any bytes turned: %s', { timeout: 60_000 }, async (format) => {
    await place.mkdir('/from/d');
    await place.put('/from/d/f', 'text '.repeat(300));
    await place.t.symlink('f', '/from/d/l');
    await place.run(place.fs.link('/from/d/f', '/from/again'));
    await place.run(place.fs.setxattr('/from/d', 'user.x', Uint8Array.of(0, 255), XATTR));
    const packed = await place.pack('/from', format === 'zip' ? 'zip' : 'tar');
    const whole = format === 'gzip' ? Uint8Array.from(gzipSync(packed)) : packed;
    let random = 1;
    const next = (limit: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random >>> 8) % limit;
    };
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(whole);
      for (let count = next(4) + 1; count > 0; count--) bytes[next(bytes.length)] = next(256);
      const failure: unknown = await unpack(bytes).then(
        () => undefined,
        (error: unknown) => error,
      );
      // One of ours, or none.
      if (failure !== undefined)
        expect([round, failure]).toEqual([round, expect.any(ArchiveError)]);
    }
  });
});

const XATTR = { flags: 0, follow: true };
