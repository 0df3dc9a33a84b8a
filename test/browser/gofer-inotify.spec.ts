// A program in a page that watches a folder of this host by inotify(7) sees what the same program
// sees that runs on the host.

import { execFile } from 'node:child_process';
import {
  appendFile,
  chmod,
  mkdir,
  readFile,
  rename,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'playwright/test';
import { startGofer } from '../support/gofers.ts';
import { twinNative, twinWasm } from '../wasi/twins.ts';
import { test } from './support/fixtures.ts';

declare global {
  /** What the program has printed by now, and its exit status once it has ended. */
  var watched: { text: string; code: number | undefined };
}

/** The same on the host, to which the folder is its own. */
function runNatively(program: string, folder: string) {
  const running = promisify(execFile)(program, [folder]);
  let text = '';
  running.child.stdout!.on('data', (data: string) => (text += data));
  return { running, text: () => text };
}

const READY = 'inotify_add_watch(fd, argv[1], CHANGES): 1\n';

test('a program’s inotify tells what happens on the host, as it does there', async ({
  kernelPage,
}) => {
  const gofer = await startGofer();
  const native = await twinNative('watch-until');
  const module = [...(await readFile(await twinWasm('watch-until')))];
  try {
    const dir = join(gofer.folder, 'dir');
    await mkdir(dir);
    await writeFile(join(dir, 'old'), 'old');
    const onHost = runNatively(native, dir);
    await kernelPage.evaluate(
      async ({ source, bytes }) => {
        await kernel.fs.mkdir('/remote');
        await kernel.mount('/remote', { type: 'gofer', source });
        const running = await kernel.spawn(new Uint8Array(bytes), { args: ['/remote/dir'] });
        globalThis.watched = { text: '', code: undefined };
        const decoder = new TextDecoderStream();
        const texts: ReadableStream<string> = running.stdout!.pipeThrough(decoder as never);
        const end = texts.pipeTo(
          new WritableStream({
            write: (text) => {
              globalThis.watched.text += text;
            },
          }),
        );
        void Promise.all([running.exited, end]).then(([{ code }]) => {
          globalThis.watched.code = code;
        });
      },
      { source: gofer.url, bytes: module },
    );
    const seen = () => kernelPage.evaluate(() => globalThis.watched);
    await expect.poll(onHost.text).toContain(READY);
    await expect.poll(async () => (await seen()).text).toContain(READY);

    await writeFile(join(dir, 'new'), 'from the host');
    await appendFile(join(dir, 'old'), ', and longer');
    await chmod(join(dir, 'old'), 0o600);
    await rename(join(dir, 'old'), join(dir, 'older'));
    await rename(join(gofer.folder, 'dir', 'new'), join(gofer.folder, 'away'));
    await rename(join(gofer.folder, 'away'), join(gofer.folder, 'dir', 'back'));
    await mkdir(join(dir, 'sub'));
    await symlink('older', join(dir, 'link'));
    // What is told as it happens is there before the program is at its end.
    await expect.poll(async () => (await seen()).text).toContain('CREATE link');
    expect((await seen()).code).toBe(undefined);
    await rmdir(join(dir, 'sub'));
    await writeFile(join(dir, 'end'), '');
    await rm(join(dir, 'end'));

    const { stdout } = await onHost.running;
    expect(stdout).toContain('MOVED_TO older moved\n');
    await expect.poll(async () => (await seen()).code).toBe(0);
    expect((await seen()).text).toBe(stdout);
    expect(gofer.errors).toEqual([]);
    await kernelPage.evaluate(() => kernel.umount('/remote'));
  } finally {
    await gofer.close();
  }
});

test('it is told what a program’s own page and another page’s program do, each once', async ({
  kernelPage,
}) => {
  const gofer = await startGofer();
  const module = [...(await readFile(await twinWasm('watch-until')))];
  try {
    await mkdir(join(gofer.folder, 'dir'));
    const text = await kernelPage.evaluate(
      async ({ source, bytes }) => {
        const { fs } = kernel;
        const other = await inPage.boot({ mounts: { '/': { type: 'gofer', source } } });
        await fs.mkdir('/remote');
        await kernel.mount('/remote', { type: 'gofer', source });
        const running = await kernel.spawn(new Uint8Array(bytes), { args: ['/remote/dir'] });
        const [first, rest] = running.stdout!.tee();
        const reader = first.pipeThrough(new TextDecoderStream() as never).getReader();
        let printed = '';
        // Once the watch is set.
        while (!printed.includes('CHANGES')) printed += String((await reader.read()).value);
        void reader.cancel();
        await fs.writeFile('/remote/dir/own', 'from this page');
        await kernel.sync();
        await other.fs.rename('/dir/own', '/dir/others');
        await other.fs.writeFile('/dir/end', '');
        await other.fs.unlink('/dir/end');
        const [all] = await Promise.all([inPage.read(rest), running.exited]);
        await other.shutdown();
        await kernel.umount('/remote');
        return all;
      },
      { source: gofer.url, bytes: module },
    );
    const lines = text.split('\n').slice(2, -1);
    const once = (line: string): number => lines.filter((each) => each === line).length;
    expect([once('CREATE own'), once('CLOSE_WRITE own')]).toEqual([1, 1]);
    expect([once('MOVED_FROM own'), once('MOVED_TO others moved')]).toEqual([1, 1]);
    expect(lines.at(-1)).toBe('DELETE end');
  } finally {
    await gofer.close();
  }
});
