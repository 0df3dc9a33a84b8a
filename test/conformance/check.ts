// Assertions for the cases. They need no test runner: the same cases can run in a browser page.

import type { ErrnoName } from '../../src/abi/errno.ts';
import type { Stat } from '../../src/abi/stat.ts';
import type { Timespec } from '../../src/lib/clock.ts';
import { compareTimespec } from '../../src/lib/clock.ts';

const SHOWN_MAX = 2000;

/** A case that does not hold. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

export function isTrue(condition: boolean, what: string): asserts condition {
  if (!condition) throw new CheckFailed(`expected that ${what}`);
}

/** Compares by value: numbers, text, and arrays and plain records of them. */
export function equal<T>(actual: T, expected: NoInfer<T>, what = 'value'): void {
  const actualText = print(actual);
  const expectedText = print(expected);
  if (actualText === expectedText) return;
  throw new CheckFailed(`${what}: expected ${shorten(expectedText)}, got ${shorten(actualText)}`);
}

/** Compares permission bits (the type is left out), in octal for the reader. */
export function equalMode(stat: Stat, expected: number, what = 'permissions'): void {
  equal((stat.mode & 0o7777).toString(8), expected.toString(8), what);
}

export function expectError(code: ErrnoName, promise: Promise<unknown>): Promise<void> {
  return expectOneOf([code], promise);
}

/** The call fails with any of `codes`: only where Linux's filesystems differ among themselves. */
export async function expectOneOf(
  codes: readonly ErrnoName[],
  promise: Promise<unknown>,
): Promise<void> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    const isExpected = error instanceof Error && 'code' in error;
    if (isExpected && codes.some((code) => code === error.code)) return;
    throw new CheckFailed(`expected ${codes.join(' or ')}, got ${String(error)}`, { cause: error });
  }
  throw new CheckFailed(`expected ${codes.join(' or ')}, got success (${shorten(print(value))})`);
}

export function isLater(later: Timespec, earlier: Timespec, what: string): void {
  if (compareTimespec(later, earlier) > 0) return;
  throw new CheckFailed(`${what}: expected ${print(later)} to be after ${print(earlier)}`);
}

function print(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes [${value.join(' ')}]`;
  return JSON.stringify(value, (_key, inner: unknown) => sortedRecord(inner)) ?? String(value);
}

/** What a person would still read. */
function shorten(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}… (${text.length})` : text;
}

/** The keys of a record in one order, so that equal records print the same. */
function sortedRecord(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
