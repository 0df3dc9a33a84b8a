// Archives in the page: streams to and from the kernel worker, errors, and how they end early.

import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';

test('a tree goes out and comes back, as tar and as zip', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/from/dir', { recursive: true });
    const large = Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * index) % 251);
    await fs.writeFile('/from/dir/large', large, { mode: 0o640 });
    await fs.link('/from/dir/large', '/from/again');
    await fs.symlink('dir/large', '/from/link');
    await fs.setxattr('/from/dir', 'user.colour', Uint8Array.of(0, 255));
    await fs.utimes('/from/dir', 5, 1_500_000_000_123_456_789n);
    const results: unknown[] = [];
    for (const format of ['tar', 'zip'] as const) {
      const bytes = new Uint8Array(
        await new Response(kernel.exportArchive('/from', { format }) as BodyInit).arrayBuffer(),
      );
      for (const source of [bytes, new Blob([bytes]), new Blob([bytes]).stream()]) {
        await fs.mkdir('/to');
        const progress: { bytes: number }[] = [];
        const summary = await kernel.importArchive('/to', source, {
          onProgress: (each) => progress.push(each),
        });
        const back = await fs.readFile('/to/dir/large');
        const [dir, one, two] = await Promise.all(
          ['dir', 'dir/large', 'again'].map((name) => fs.stat(`/to/${name}`)),
        );
        results.push({
          format: summary.format,
          entries: summary.entries,
          isWhole: summary.bytes === bytes.length,
          isSame: back.length === large.length && back.every((byte, at) => byte === large[at]),
          link: await fs.readlink('/to/link'),
          mode: one!.mode & 0o777,
          isLinked: one!.ino === two!.ino,
          mtimeNs: String(dir!.mtimeNs),
          xattrs: await fs.listxattr('/to/dir'),
          isTold: progress.length > 0 && progress.every((each) => each.bytes <= bytes.length),
        });
        await fs.rm('/to', { recursive: true });
      }
    }
    return results;
  });
  const both = { isWhole: true, isSame: true, link: 'dir/large', mode: 0o640, isTold: true };
  const tar = {
    ...both,
    format: 'tar',
    entries: 5,
    isLinked: true,
    mtimeNs: '1500000000123456789',
    xattrs: ['user.colour'],
  };
  const zip = {
    ...both,
    format: 'zip',
    entries: 4,
    isLinked: false,
    mtimeNs: '1500000000000000000',
    xattrs: [],
  };
  expect(found).toEqual([tar, tar, tar, zip, zip, zip]);
});

test('errors say what is wrong', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const messageOf = async (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    const sourceOf = (chunk: Uint8Array, failure: Error): ReadableStream<Uint8Array> =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(chunk);
          setTimeout(() => {
            controller.error(failure);
          }, 50);
        },
      });
    await fs.mkdir('/from');
    await fs.writeFile('/from/file', 'x'.repeat(2000));
    const stream = kernel.exportArchive('/from', { format: 'tar' });
    const tar = new Uint8Array(await new Response(stream as BodyInit).arrayBuffer());
    await fs.mkdir('/to');
    const missing = kernel.exportArchive('/missing', { format: 'zip' });
    return {
      missing: await messageOf(missing.getReader().read()),
      cut: await messageOf(kernel.importArchive('/to', tar.subarray(0, 4200))),
      noDirectory: await messageOf(kernel.importArchive('/from/file', tar)),
      none: await messageOf(kernel.importArchive('/to', new Blob(['text']).stream())),
      source: await messageOf(
        kernel.importArchive('/to', sourceOf(tar.slice(0, 3000), new RangeError('no network'))),
      ),
      left: await fs.readdir('/to'),
    };
  });
  expect(found).toEqual({
    missing: "FsError: ENOENT: no such file or directory, exportArchive '/missing'",
    cut: "FsError: EINVAL: invalid argument, importArchive '/to': the archive ends in 'file'",
    noDirectory: "FsError: ENOTDIR: not a directory, importArchive '/from/file'",
    none:
      "FsError: EINVAL: invalid argument, importArchive '/to': " +
      'this is neither a tar nor a zip archive',
    source: 'RangeError: no network',
    left: [],
  });
});

test('they end when the signal aborts, or nobody wants them', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/mnt');
    await kernel.mount('/mnt', { type: 'tmpfs' });
    await fs.writeFile('/mnt/large', '');
    await fs.truncate('/mnt/large', 200 << 20);
    const messageOf = async (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    const exporting = new AbortController();
    const reader = kernel
      .exportArchive('/mnt', { format: 'tar', signal: exporting.signal })
      .getReader();
    await reader.read();
    exporting.abort(new Error('no more'));
    const aborted = await messageOf(reader.read());
    const cancelled = kernel.exportArchive('/mnt', { format: 'zip' });
    const cancelledReader = cancelled.getReader();
    await cancelledReader.read();
    await cancelledReader.cancel();
    const importing = new AbortController();
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(new Uint8Array(512));
      },
      cancel() {
        isCancelled = true;
      },
    });
    setTimeout(() => {
      importing.abort(new Error('enough'));
    }, 100);
    const imported = await messageOf(
      kernel.importArchive('/mnt', endless, { format: 'tar', signal: importing.signal }),
    );
    // Nobody has anything open there any more.
    const unmounted = await messageOf(kernel.umount('/mnt'));
    return { aborted, imported, isCancelled, unmounted };
  });
  expect(found).toEqual({
    aborted: 'Error: no more',
    imported: 'Error: enough',
    isCancelled: true,
    unmounted: 'no error',
  });
});

test('a large archive is held neither compressed nor unpacked', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const size = 48 << 20;
    await fs.mkdir('/tmp/from');
    await fs.mkdir('/tmp/to');
    await fs.writeFile('/tmp/from/large', new Uint8Array(size).fill(1));
    const stream = kernel.exportArchive('/tmp/from', { format: 'tar' });
    const packing = stream.pipeThrough(
      new CompressionStream('gzip') as unknown as ReadableWritablePair<Uint8Array, Uint8Array>,
    );
    const packed = new Uint8Array(await new Response(packing as BodyInit).arrayBuffer());
    const ratio = size / packed.length;
    let given = 0;
    let most = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const written = await fs.stat('/tmp/to/large').then(
            (stats) => stats.size,
            () => 0,
          );
          most = Math.max(most, given * ratio - written);
          const chunk = packed.slice(given, given + 1024);
          given += chunk.length;
          if (chunk.length > 0) controller.enqueue(chunk);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const summary = await kernel.importArchive('/tmp/to', source);
    const stats = await fs.stat('/tmp/to/large');
    await fs.rm('/tmp/from', { recursive: true });
    await fs.rm('/tmp/to', { recursive: true });
    return {
      format: summary.format,
      isWhole: stats.size === size,
      ratio,
      mostMib: most / (1 << 20),
    };
  });
  expect(found).toMatchObject({ format: 'tar', isWhole: true });
  expect(found.ratio).toBeGreaterThan(500);
  expect(found.mostMib).toBeLessThan(12);
});

test('they end with the kernel', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const messageOf = async (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    await fs.writeFile('/tmp/large', '');
    await fs.truncate('/tmp/large', 50 << 20);
    const reader = kernel.exportArchive('/tmp', { format: 'tar' }).getReader();
    await reader.read();
    const importing = messageOf(kernel.importArchive('/tmp', new ReadableStream()));
    await kernel.shutdown();
    let exported = 'no error';
    for (let count = 0; exported === 'no error' && count < 500; count++) {
      exported = await messageOf(reader.read());
    }
    return { exported, imported: await importing };
  });
  expect(found.exported).toMatch(/EINTR|the kernel has been shut down/);
  expect(found.imported).toMatch(/EINTR|the kernel has been shut down/);
});
