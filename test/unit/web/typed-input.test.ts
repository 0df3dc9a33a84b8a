// What is typed for programs.

import { describe, expect, test } from 'vitest';
import { TypedInput } from '../../../web/terminal/typed-input.ts';

async function readText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | null> {
  const { done, value } = await reader.read();
  return done ? null : new TextDecoder().decode(value);
}

describe('typed input', () => {
  test('a program gets a line a read', async () => {
    const input = new TypedInput();
    const reader = input.open().getReader();
    input.push('a\n');
    input.push('b\n');
    expect(await readText(reader)).toBe('a\n');
    expect(await readText(reader)).toBe('b\n');
  });

  test('a program that waits gets the line when it comes', async () => {
    const input = new TypedInput();
    const reader = input.open().getReader();
    const line = readText(reader);
    input.push('a\n');
    expect(await line).toBe('a\n');
  });

  test('an end ends the input of one program only', async () => {
    const input = new TypedInput();
    input.push('a\n');
    input.pushEnd();
    input.push('b\n');
    const first = input.open().getReader();
    expect(await readText(first)).toBe('a\n');
    expect(await readText(first)).toBeNull();
    const second = input.open().getReader();
    expect(await readText(second)).toBe('b\n');
  });

  test('what nobody read comes back, and who waits reads an end', async () => {
    const input = new TypedInput();
    const reader = input.open().getReader();
    const line = readText(reader);
    expect(input.drain()).toBe('');
    expect(await line).toBeNull();
    input.push('a\n');
    input.push('b');
    expect(input.drain()).toBe('a\nb');
    expect(input.drain()).toBe('');
  });

  /** A stream as it is once it was handed to a worker: it asks for a chunk nobody wants yet. */
  function handOver(stream: ReadableStream<Uint8Array>): { ask(): void; got(): string } {
    let text = '';
    let ask = (): void => undefined;
    const sink = new WritableStream<Uint8Array>({
      write: (chunk) =>
        new Promise((resolve) => {
          ask = (): void => {
            text += new TextDecoder().decode(chunk);
            resolve();
          };
        }),
    });
    stream.pipeTo(sink).catch(() => undefined);
    return {
      ask: () => {
        ask();
      },
      got: () => text,
    };
  }

  const settled = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve);
    });

  test('what was on its way to a program that never asked comes back, in order', async () => {
    const input = new TypedInput();
    const program = handOver(input.open());
    for (const line of ['a\n', 'b\n', 'c\n']) input.push(line);
    await settled();
    program.ask();
    await settled();
    expect(program.got()).toBe('a\n');
    expect(input.drain()).toBe('b\nc\n');
  });

  test('what was on its way to one program goes to the next', async () => {
    const input = new TypedInput();
    handOver(input.open());
    input.push('a\n');
    await settled();
    expect(await readText(input.open().getReader())).toBe('a\n');
  });

  test('what was on its way is forgotten with the rest', async () => {
    const input = new TypedInput();
    handOver(input.open());
    input.push('a\n');
    await settled();
    input.flush();
    expect(input.drain()).toBe('');
  });

  test('a program that went away takes nothing', async () => {
    const input = new TypedInput();
    const stream = input.open();
    await stream.cancel();
    input.push('a\n');
    expect(input.drain()).toBe('a\n');
  });

  test('a program that went away while it waited takes nothing', async () => {
    const input = new TypedInput();
    const reader = input.open().getReader();
    const line = readText(reader);
    await reader.cancel();
    expect(await line).toBeNull();
    input.push('a\n');
    expect(input.drain()).toBe('a\n');
  });
});
