// Runs sequences against the real command, and checks after each what must hold after all.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltCommand, buildCommand } from '../../.tools/gofer-command.mjs';
import { Arena } from './arena.ts';
import type { Sequence } from './sequence.ts';

const BUILD_TIMEOUT_MS = 120_000;
const TIMEOUT_MS = 120_000;

/** To be called once in a file: all families have one arena. */
export function runSequences(families: Readonly<Record<string, readonly Sequence[]>>): void {
  let built: BuiltCommand | undefined;
  let arena: Arena | undefined;
  beforeAll(async () => {
    built = await buildCommand();
    arena = new Arena(built.script);
  }, BUILD_TIMEOUT_MS);
  afterAll(async () => {
    await arena?.close();
    built?.remove();
  });

  test('no two sequences have the same name', () => {
    const names = Object.values(families).flatMap((sequences) => sequences.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });

  describe.each(Object.entries(families))('%s', (_family, sequences) => {
    test.each([...sequences])(
      '$name: $holds',
      async (sequence) => {
        await arena!.begin(sequence);
        await sequence.run(arena!);
        await arena!.check(sequence);
      },
      TIMEOUT_MS,
    );
  });
}
