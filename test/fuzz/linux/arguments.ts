// What the steps of a history are about: few names, few descriptors, so that steps meet.

import fc from 'fast-check';
import { AT_FDCWD, UTIME_NOW, UTIME_OMIT } from '../../../src/abi/fcntl.ts';
import type { Step, StepArgument } from './step.ts';
import { FIRST_FD, PROCESSES } from './step.ts';

export type Make = fc.Arbitrary<Step>;
export type Weighted = [weight: number, step: Make];

const who = fc.constantFrom(0, 0, 0, 1, 1, 1, 2);

/** Directories as a rule. */
const dir = fc.constantFrom('a', 'a', 'b', 'd');
export const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');

/** Up to three components; seldom dots, slashes and names that are too long. */
const absolute = fc.oneof(
  { weight: 24, arbitrary: name.map((last) => `/${last}`) },
  { weight: 24, arbitrary: fc.tuple(dir, name).map((names) => `/${names.join('/')}`) },
  { weight: 6, arbitrary: fc.tuple(dir, dir, name).map((names) => `/${names.join('/')}`) },
  { weight: 2, arbitrary: name.map((last) => `/${last}/`) },
  { weight: 2, arbitrary: fc.tuple(name, name).map(([a, b]) => `/${a}/../${b}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/', '/.', '/a/.', '/a/..', '', '/a/./b', '//a', '/..'),
  },
  { weight: 1, arbitrary: fc.constantFrom(255, 256).map((length) => `/${'n'.repeat(length)}`) },
);
const relative = fc.oneof(
  { weight: 8, arbitrary: name },
  { weight: 4, arbitrary: fc.tuple(dir, name).map((names) => names.join('/')) },
  { weight: 1, arbitrary: name.map((last) => `../${last}`) },
  { weight: 1, arbitrary: fc.constantFrom('.', '..', './', '../..', 'a/') },
);
export const path = fc.oneof(
  { weight: 5, arbitrary: absolute },
  { weight: 1, arbitrary: relative },
);
export const symlinkTarget = fc.constantFrom(
  ...['a', 'a/c', '../c', '/c', '/b/c', '.', '..', 'missing', 'd/', 'e', '/e', 'f', ''],
);

export const fd = fc.integer({ min: FIRST_FD, max: FIRST_FD + 8 });
/** Where a path starts, and the path. */
export const at = fc.oneof(
  { weight: 6, arbitrary: path.map((value): [number, string] => [AT_FDCWD, value]) },
  { weight: 1, arbitrary: fc.tuple(fd, relative) },
);

const GIB = 2 ** 30;
export const offset = fc.oneof(
  fc.constantFrom(0, 1, 100, 4095, 4096, 8192, 32_767, 32_768, 40_960, 65_536, 100_000),
  fc.constantFrom(5 * GIB, 5 * GIB + 4096, 4 * GIB - 1),
  fc.integer({ min: -1, max: 140_000 }),
);
export const size = fc.oneof(offset, fc.constant(0), fc.constant(4096));
export const data = fc.record({
  seed: fc.nat(50),
  length: fc.oneof(fc.nat(300), fc.nat(20_000), fc.constantFrom(0, 4096, 70_000)),
});
/**
 * What gets a read that may be of events is looked at as a whole. Reading nothing moves the access
 * time on Linux's tmpfs alone (shmem_file_read_iter()).
 */
export const buffer = fc.record({
  room: fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.constant(4096),
    fc.integer({ min: 1, max: 80_000 }),
  ),
});

export const mode = fc.constantFrom(
  ...[0o644, 0o600, 0o666, 0o777, 0o755, 0o700, 0o4755, 0o2755, 0o2770, 0o2777, 0o2745],
  ...[0o1777, 0o3777, 0o6777, 0o111, 0o222, 0o444, 0o070, 0o007, 0, 0o7777],
);
export const id = fc.constantFrom(-1, 0, 1000, 1001, 2000, 2001, 3000);
export const time = fc.oneof(
  fc.constant({ sec: 0, nsec: UTIME_NOW }),
  fc.constant({ sec: 0, nsec: UTIME_OMIT }),
  fc.record({
    // Far away from those the histories are made in.
    sec: fc.oneof(fc.integer({ min: -5, max: 1_000_000 }), fc.constant(2 ** 33)),
    nsec: fc.constantFrom(0, 1, 999_999_999, 1_000_000_000),
  }),
);

/** A step of any process. */
export function step(
  call: Step['call'],
  ...args: (fc.Arbitrary<StepArgument | readonly StepArgument[]> | StepArgument)[]
): Make {
  const arbitraries = args.map((arg) =>
    arg instanceof fc.Arbitrary ? arg : fc.constant<StepArgument>(arg),
  );
  return fc.tuple(who, ...arbitraries).map(([index, ...values]) => {
    // A place to start from and a path are two arguments.
    const flat = values.flatMap((value) =>
      Array.isArray(value) && typeof value[0] === 'number' ? (value as StepArgument[]) : [value],
    ) as StepArgument[];
    return { who: index, call, args: flat };
  });
}

/** The same step by any of the processes. */
export const everybody = (call: Step['call'], ...args: StepArgument[]): Step[] =>
  PROCESSES.map((_process, index) => ({ who: index, call, args }));

export function flags(...bits: readonly number[]): fc.Arbitrary<number> {
  return fc.subarray([...bits]).map((chosen) => chosen.reduce((sum, bit) => sum | bit, 0));
}
