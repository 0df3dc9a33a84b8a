// The adapter of inline tasks: valid wasm that waits only when it must.

import { describe, expect, test } from 'vitest';
import {
  type AdapterFunction,
  adapterName,
  makeAdapter,
  WOULD_WAIT,
} from '../../../src/wasi/adapter.ts';
import { HOST_SIGNATURES, PREVIEW1_SIGNATURES } from '../../../src/wasi/signatures.ts';

type Exported = (...args: (number | bigint)[]) => number;

async function instantiate(
  functions: readonly AdapterFunction[],
  plain: (name: string, args: readonly unknown[]) => number,
  wait: () => number,
): Promise<Record<string, Exported>> {
  const imports = Object.fromEntries(
    functions.map((each) => {
      const name = adapterName(each);
      return [name, (...args: readonly unknown[]) => plain(name, args)];
    }),
  );
  const { instance } = await WebAssembly.instantiate(makeAdapter(functions), {
    plain: imports,
    wait: { wait },
  });
  return instance.exports as Record<string, Exported>;
}

const own = (name: string, parameters: string): AdapterFunction => ({
  module: 'm',
  name,
  parameters,
});

/** All that a program may import, as inline tasks do it. */
const EVERYTHING: AdapterFunction[] = [
  ...Object.entries(PREVIEW1_SIGNATURES).map(([name, parameters]) => ({
    module: 'wasi_snapshot_preview1',
    name,
    parameters,
  })),
  ...Object.entries(HOST_SIGNATURES).flatMap(([module, signatures]) =>
    Object.entries(signatures).map(([name, parameters]) => ({ module, name, parameters })),
  ),
];

describe('an adapter', () => {
  test.each([
    ['of nothing', []],
    ['of one function', [own('f', '')]],
    ['of all functions', EVERYTHING],
    ['of many', Array.from({ length: 300 }, (_, n) => own(`f${n}`, 'iI'.repeat(n % 70)))],
  ])('%s is a valid module', (_title, functions) => {
    expect(WebAssembly.validate(makeAdapter(functions))).toBe(true);
  });

  test('passes arguments and results of a call that need not wait', async () => {
    const calls: unknown[] = [];
    const exports = await instantiate(
      [own('none', ''), own('some', 'iIi'), own('other', 'iIi')],
      (name, args) => {
        calls.push([name, ...args]);
        return calls.length;
      },
      () => {
        throw new Error('nothing waits');
      },
    );
    expect(exports['m.none']!()).toBe(1);
    expect(exports['m.some']!(-1, 2n ** 63n - 1n, 7)).toBe(2);
    expect(exports['m.other']!(0, -5n, 0x7fff_ffff)).toBe(3);
    expect(calls).toEqual([
      ['m.none'],
      ['m.some', -1, 2n ** 63n - 1n, 7],
      ['m.other', 0, -5n, 0x7fff_ffff],
    ]);
  });

  test('waits when it has to, and then has the result of that', async () => {
    let waits = 0;
    const exports = await instantiate(
      EVERYTHING,
      () => WOULD_WAIT,
      () => {
        waits++;
        return 76;
      },
    );
    for (const each of EVERYTHING) {
      const args = Array.from(each.parameters, (letter) => (letter === 'I' ? 1n : 1));
      expect(exports[adapterName(each)]!(...args)).toBe(76);
    }
    expect(waits).toBe(EVERYTHING.length);
  });

  test('lets errors through', async () => {
    const exports = await instantiate(
      [own('f', 'i')],
      () => {
        throw new RangeError('from below');
      },
      () => 0,
    );
    expect(() => exports['m.f']!(1)).toThrow('from below');
  });
});

test('preview1 has 46 functions', () => {
  expect(Object.keys(PREVIEW1_SIGNATURES)).toHaveLength(46);
});
