// Programs in the playground that watch what others do.

import { expect, test } from 'playwright/test';
import { Playground } from './support/playground.ts';

test('inotifywait tells what the page and programs do', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.enter('inotifywait -mr -e create -e move -e delete .');
  await expect.poll(() => playground.text()).toContain('Watches established.');
  await page.evaluate(async () => {
    const { fs } = burrow!;
    await fs.mkdir('/home/user/folder');
    await fs.writeFile('/home/user/folder/file', 'text');
    await fs.rename('/home/user/folder/file', '/home/user/moved');
    await fs.unlink('/home/user/moved');
  });
  await expect.poll(() => playground.text()).toContain('./ DELETE moved');
  await playground.press('Control+c');
  await playground.atPrompt();
  expect(await playground.text()).toContain('./ CREATE,ISDIR folder');
  expect(await playground.text()).toContain('./ MOVED_TO moved');
});

const WATCH = `
import struct

def events(data):
    at = 0
    while at < len(data):
        wd, mask, cookie, length = struct.unpack_from("iIII", data, at)
        at += 16 + length
        yield wd, mask, data[at - length:at].rstrip(b"\\0").decode()

with open("/dev/inotify", "r+b", buffering=0) as watcher:
    watcher.write(b"ADD IN_CREATE|IN_DELETE|IN_MODIFY .")
    with open("made", "w") as file:
        file.write("text")
    import os
    os.remove("made")
    for wd, mask, name in events(watcher.read(4096)):
        print(wd, hex(mask), name)
    watcher.write(b"RM 1\\n")
    print(list(events(watcher.read(4096))))
    try:
        watcher.write(b"ADD 0x100 /missing")
    except FileNotFoundError as error:
        print("missing:", error.strerror)
    try:
        watcher.write(b"WATCH everything")
    except OSError as error:
        print("nonsense:", error.strerror)
`;

test('python watches a directory through /dev/inotify', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.writeFile('/home/user/watch.py', WATCH);
  const { output } = await playground.run('python watch.py');
  expect(output.split('\n')).toEqual([
    '1 0x100 made',
    '1 0x2 made',
    '1 0x200 made',
    "[(1, 32768, '')]",
    'missing: No such file or directory',
    'nonsense: Invalid argument',
  ]);
});

test('a FIFO made in the shell carries bytes from one program to another', async ({ page }) => {
  const playground = await Playground.open(page);
  expect((await playground.run('mkfifo pipe; ls -l pipe')).output).toMatch(/^prw-r--r-- /);
  await page.evaluate(() => {
    // Whoever writes waits for a reader.
    void burrow!.fs.writeFile('/home/user/pipe', 'through the pipe\n');
  });
  expect((await playground.run('head -n 1 pipe')).output).toBe('through the pipe');
});
