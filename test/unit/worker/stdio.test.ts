// Standard streams: between a task's descriptors and web streams.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { POLLIN } from '../../../src/abi/poll.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { StdioSource } from '../../../worker/protocol.ts';
import { openStdio } from '../../../worker/stdio.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

const NULL: StdioSource = { kind: 'null' };

function open(
  stdin: StdioSource,
  stdout: StdioSource = NULL,
  stderr: StdioSource = NULL,
): Promise<() => Promise<void>> {
  const context = { kernel: scene.kernel, task: t.task, sys: t.sys };
  return openStdio(context, [stdin, stdout, stderr], []);
}

/** A page's stream to write to, and what was written. */
function sink(): {
  stream: WritableStream<Uint8Array>;
  text: () => string;
  isClosed: () => boolean;
} {
  let text = '';
  let closed = false;
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => {
      text += decodeUtf8(chunk);
    },
    close: () => {
      closed = true;
    },
  });
  return { stream, text: () => text, isClosed: () => closed };
}

/** Waits until everything that can happen has. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const file = (path: string, append = false): StdioSource => ({ kind: 'file', path, append });

test('null is the end of the input and takes all output, without a /dev', async () => {
  await open(NULL);
  expect(await t.readText(0)).toBe('');
  expect(await t.write(1, 'gone')).toBe(4);
  expect(t.task.fds.open).toEqual([0, 1, 2]);
});

describe('a stream of the page', () => {
  test('is read piece by piece, to its end', async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const part of ['one ', 'two']) controller.enqueue(encodeUtf8(part));
        controller.close();
      },
    });
    await open({ kind: 'readable', stream });
    let text = '';
    for (let part = await t.readText(0); part !== ''; part = await t.readText(0)) text += part;
    expect(text).toBe('one two');
  });

  test('that fails is at its end', async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.error(new Error('the page is gone'));
      },
    });
    await open({ kind: 'readable', stream });
    expect(await t.readText(0)).toBe('');
  });

  test('is cancelled when the task has closed its end', async () => {
    let isCancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      cancel: () => {
        isCancelled = true;
      },
    });
    await open({ kind: 'readable', stream });
    await t.close(0);
    await expect.poll(() => isCancelled).toBe(true);
  });

  test('gets everything that was written before the task ended', async () => {
    const output = sink();
    const flushed = await open(NULL, { kind: 'writable', stream: output.stream, isPipe: false });
    await t.write(1, 'x'.repeat(200_000));
    await t.write(1, 'last');
    scene.kernel.endTask(t.task);
    await flushed();
    expect(output.text().length).toBe(200_004);
    expect(output.isClosed()).toBe(true);
  });

  test('that takes no more is EPIPE', async () => {
    const stream = new WritableStream<Uint8Array>({
      write: () => {
        throw new Error('closed by the page');
      },
    });
    await open(NULL, { kind: 'writable', stream, isPipe: true });
    await t.write(1, 'first');
    await fails('EPIPE', t.write(1, 'x'.repeat(100_000)));
  });
});

describe('a file', () => {
  test('is read from, made, cut or appended to', async () => {
    await t.createFile('/in', 'input');
    await t.createFile('/out', 'a long old text');
    await t.createFile('/log', 'old ');
    await open(file('/in'), file('/out'), file('/log', true));
    expect(await t.readText(0)).toBe('input');
    await t.write(1, 'new');
    await t.write(2, 'more');
    expect(await t.readFile('/out')).toBe('new');
    expect(await t.readFile('/log')).toBe('old more');
  });

  test('that can not be opened fails the start', async () => {
    await fails('ENOENT', open(file('/missing')));
    await fails('EISDIR', open(NULL, file('/')));
  });
});

test("a terminal is all three, and the program's output reaches it", async () => {
  const output = sink();
  const input = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(encodeUtf8('typed\n'));
    },
  });
  const terminal: StdioSource = { kind: 'terminal', index: 0 };
  const context = { kernel: scene.kernel, task: t.task, sys: t.sys };
  const flushed = await openStdio(
    context,
    [terminal, terminal, terminal],
    [{ input, output: output.stream }],
  );
  for (const fd of [0, 1, 2]) expect(await runAsync(t.sys.isatty(fd))).toBe(1);
  expect(await t.readText(0)).toBe('typed\n');
  await t.write(1, 'out ');
  await t.write(2, 'err');
  scene.kernel.endTask(t.task);
  await flushed();
  expect(output.text()).toBe('out err');
});

describe("a terminal's input", () => {
  const terminal: StdioSource = { kind: 'terminal', index: 0 };

  /** Opens a terminal as descriptor 0. Returns the lines it was asked for. */
  async function openTyped(...lines: string[]): Promise<string[]> {
    const taken: string[] = [];
    const input = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          const line = lines.shift();
          if (line === undefined) return;
          taken.push(line);
          controller.enqueue(encodeUtf8(line));
        },
      },
      { highWaterMark: 0 },
    );
    const context = { kernel: scene.kernel, task: t.task, sys: t.sys };
    const streams = { input, output: sink().stream };
    await openStdio(context, [terminal, NULL, NULL], [streams]);
    return taken;
  }

  test('is taken a line a read, and no further: the rest is for who reads next', async () => {
    const taken = await openTyped('one\n', 'two\n', 'three\n');
    expect(taken).toEqual([]);
    expect(await t.readText(0)).toBe('one\n');
    expect(await t.readText(0)).toBe('two\n');
    scene.kernel.endTask(t.task);
    await settled();
    expect(taken).toEqual(['one\n', 'two\n']);
  });

  test('is taken when the task polls for it', async () => {
    const taken = await openTyped('one\n');
    expect(await runAsync(t.sys.poll([{ fd: 0, events: POLLIN }], -1))).toEqual([POLLIN]);
    expect(taken).toEqual(['one\n']);
    expect(await t.readText(0)).toBe('one\n');
  });
});
