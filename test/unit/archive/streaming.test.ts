// Archives as streams: what is held of them, who waits for whom, how it ends early, and what is
// told meanwhile.

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ArchiveFormat, ArchiveProgress } from '../../../src/archive/options.ts';
import { PIECE_SIZE } from '../../../src/archive/entry.ts';
import { exportArchive } from '../../../src/archive/export-archive.ts';
import { encodeHeader, TYPEFLAG } from '../../../src/archive/tar-header.ts';
import { directory, file, tarOf } from './make.ts';
import { Place, streamOfBytes } from './support.ts';

const MIB = 1 << 20;

let place: Place;

beforeEach(async () => {
  place = await Place.open();
});

afterEach(async () => {
  await place.close();
});

/** Of the names in the file at `path`, made of nothing but a hole. */
async function makeHole(path: string, size: number): Promise<void> {
  await place.put(path, '');
  await place.t.truncate(path, size);
}

/** Starts an export. `ended` has its error, if there was one. */
async function startExport(
  path: string,
  format: ArchiveFormat,
  options: { signal?: AbortSignal; onProgress?: (progress: ArchiveProgress) => void } = {},
): Promise<{ readable: ReadableStream<Uint8Array>; ended: Promise<unknown> }> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const actor = await place.scene.newActor();
  const ended = exportArchive(actor.sys, path, writable, { format, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  );
  return {
    readable,
    ended: ended.finally(() => {
      expect(actor.task.fds.open).toEqual([]);
    }),
  };
}

/** Lets everything happen that can happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('a large archive is never held', () => {
  test('packing: 300 MiB go through, a chunk at a time, at the pace of the reader', async () => {
    await makeHole('/large', 300 * MIB);
    let written = 0;
    const { readable, ended } = await startExport('/', 'tar', {
      onProgress: ({ bytes }) => (written = bytes),
    });
    let read = 0;
    for await (const chunk of readable) {
      expect(chunk.length).toBeLessThanOrEqual(MIB);
      read += chunk.length;
      expect(written - read).toBeLessThan(2 * MIB);
    }
    expect(await ended).toBeUndefined();
    expect(read).toBeGreaterThan(300 * MIB);
  }, 60_000);

  test.each(['tar', 'zip'] as const)('packing %s waits while nobody reads', async (format) => {
    await place.put('/noise', randomBytes(20 * MIB));
    let pieces = 0;
    const { readable, ended } = await startExport('/', format, { onProgress: () => pieces++ });
    await settle();
    expect(pieces * PIECE_SIZE).toBeLessThan(2 * MIB);
    await readable.cancel(new Error('enough'));
    expect(await ended).toMatchObject({ message: 'enough' });
  });

  test('unpacking: 300 MiB are taken a chunk at a time', async () => {
    const size = 300 * MIB;
    let given = 0;
    let taken = 0;
    const chunk = new Uint8Array(MIB).fill(0);
    const source = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          controller.enqueue(headerOf('large', size));
        },
        pull(controller) {
          expect(given - taken).toBeLessThanOrEqual(2 * MIB);
          if (given === size) {
            controller.enqueue(new Uint8Array(1024));
            controller.close();
            return;
          }
          controller.enqueue(chunk);
          given += chunk.length;
        },
      },
      { highWaterMark: 0 },
    );
    await place.unpack('/', source, { onProgress: ({ bytes }) => (taken = bytes) });
    const { size: found, blocks } = await place.t.stat('/large');
    expect(found).toBe(size);
    // Zeros become holes.
    expect(blocks * 512).toBeLessThan(MIB);
  }, 60_000);

  test('unpacking: 100 MiB out of a few are written a piece at a time', async () => {
    const size = 100 * MIB;
    const whole = Buffer.concat([headerOf('large', size), Buffer.alloc(size, 1), ZEROS]);
    const packed = gzipSync(whole);
    const ratio = whole.length / packed.length;
    expect(ratio).toBeGreaterThan(500);
    let given = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          // What becomes of what was given, and is not in the file. Node's zlib takes 16 KiB ahead.
          expect(given * ratio - (await sizeOf('large'))).toBeLessThan(40 * MIB);
          const chunk = Uint8Array.from(packed.subarray(given, given + 1024));
          given += chunk.length;
          if (chunk.length > 0) controller.enqueue(chunk);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    await place.unpack('/', source);
    expect(await sizeOf('large')).toBe(size);
  }, 60_000);

  async function sizeOf(name: string): Promise<number> {
    const isThere = (await place.t.list('/')).includes(name);
    return isThere ? (await place.t.stat(`/${name}`)).size : 0;
  }

  function headerOf(name: string, size: number): Uint8Array {
    return encodeHeader({
      name,
      mode: 0o644,
      uid: 0,
      gid: 0,
      size,
      mtime: 0,
      typeflag: TYPEFLAG.file,
      linkname: '',
      devmajor: 0,
      devminor: 0,
    });
  }
});

const ZEROS = new Uint8Array(1024);
const GZIP_START = Uint8Array.from(gzipSync('')).subarray(0, 9);

describe('ending early', () => {
  test('packing ends with the reason of the signal', async () => {
    await makeHole('/large', 50 * MIB);
    const abort = new AbortController();
    const { readable, ended } = await startExport('/', 'tar', { signal: abort.signal });
    const reader = readable.getReader();
    await reader.read();
    abort.abort(new Error('no more'));
    expect(await ended).toMatchObject({ message: 'no more' });
    await expect(reader.closed).rejects.toThrow('no more');
    const late = exportArchive(place.t.sys, '/', new WritableStream(), {
      format: 'zip',
      signal: abort.signal,
    });
    await expect(late).rejects.toThrow('no more');
  });

  test('a failure ends the stream', async () => {
    const { readable, ended } = await startExport('/missing', 'zip');
    await expect(readable.getReader().read()).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await ended).toMatchObject({ code: 'ENOENT' });
  });

  test('unpacking ends with the reason of the signal, also while it waits for more', async () => {
    const abort = new AbortController();
    let isCancelled = false;
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        const whole = tarOf([directory('d', 0o700), file('d/one', '1'), file('two', '2222')]);
        controller.enqueue(whole.slice(0, 4 * 512 + 2));
      },
      cancel() {
        isCancelled = true;
      },
    });
    const unpacking = place.unpack('/', source, { signal: abort.signal });
    await settle();
    abort.abort(new Error('no more'));
    await expect(unpacking).rejects.toThrow('no more');
    expect(isCancelled).toBe(true);
    expect(await place.t.list('/')).toEqual(['d']);
    // Directories have got what they get last.
    expect((await place.t.stat('/d')).mode & 0o777).toBe(0o700);
  });

  test('unpacking fails as its source does', async () => {
    const failure = new Error('the network is gone');
    for (const start of [tarOf([file('f', 'x'.repeat(99))]).slice(0, 600), GZIP_START]) {
      const failing = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(start);
          setTimeout(() => {
            controller.error(failure);
          }, 5);
        },
      });
      await expect(place.unpack('/', failing)).rejects.toBe(failure);
    }
    expect(await place.t.list('/')).toEqual([]);
  });
});

describe('options', () => {
  test('progress tells entries, bytes of the archive, its size if known, and a path', async () => {
    await place.mkdir('/from/d');
    await place.put('/from/d/f', 'x'.repeat(300_000));
    const told: ArchiveProgress[] = [];
    const onProgress = (progress: ArchiveProgress): void => {
      told.push(progress);
    };
    const packed = await place.pack('/from', 'tar', { onProgress });
    expect(told.at(-1)).toMatchObject({ entries: 3, path: 'd/f' });
    expect(told.length).toBeGreaterThan(3);
    told.length = 0;
    await place.mkdir('/to');
    await place.unpack('/to', new Blob([packed]), { onProgress });
    const last = told.at(-1)!;
    expect(last).toMatchObject({ entries: 3, path: 'd/f', total: packed.length });
    expect(last.bytes).toBeLessThanOrEqual(packed.length);
    for (const format of ['tar', 'zip'] as const) {
      told.length = 0;
      await place.unpack('/to', streamOfBytes(await place.pack('/from', format)), { onProgress });
      const bytes = told.map((progress) => progress.bytes);
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(told.at(-1)).not.toHaveProperty('total');
    }
  });

  test('without owners, files are those of the caller and have no set-id bits', async () => {
    await place.run(place.fs.chmod('/', 0o777));
    const archive = tarOf([file('f', '', { uid: 12, gid: 34, mode: 0o6751 })]);
    await place.unpack('/', archive);
    expect(await place.t.stat('/f')).toMatchObject({ uid: 12, gid: 34, mode: 0o106751 });
    await place.unpack('/', archive, { preserveOwner: false });
    expect(await place.t.stat('/f')).toMatchObject({ uid: 0, gid: 0, mode: 0o100751 });
    await place.t.unlink('/f');
    await place.unpack('/', archive, { uid: 1000 });
    expect(await place.t.stat('/f')).toMatchObject({ uid: 1000, gid: 1000, mode: 0o100751 });
  });

  test('what is there is replaced, but for directories with something in them', async () => {
    await place.mkdir('/dir');
    await place.mkdir('/empty');
    await place.put('/dir/kept', '');
    await place.put('/file', 'old');
    await place.unpack('/', tarOf([directory('dir'), directory('file'), file('empty', 'new')]));
    expect(await place.t.list('/dir')).toEqual(['kept']);
    expect(await place.text('/empty')).toBe('new');
    await expect(place.unpack('/', tarOf([file('dir', '')]))).rejects.toMatchObject({
      code: 'ENOTEMPTY',
      message: "at 'dir'",
    });
  });
});
