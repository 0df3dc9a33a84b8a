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
