// The record of gVisor's tests is whole and true: every test is asserted by cases that exist, or
// left out for a reason.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allCases } from './all-cases.ts';
import { COVERAGE, LEFT_OUT, UNIT_TESTED } from './coverage.ts';

const TESTS = 563;
const LEFT_OUT_MAX = 59;

const byCases = Object.entries(COVERAGE).flatMap(([file, tests]) =>
  Object.entries(tests).map(([name, titles]) => ({
    test: `${file} ${name}`,
    titles: typeof titles === 'string' ? [titles] : titles,
  })),
);
const leftOut = Object.values(LEFT_OUT).flat();

test('every test of gVisor’s is accounted for, once', () => {
  const tests = [...byCases.map((entry) => entry.test), ...UNIT_TESTED.tests, ...leftOut];
  expect(tests.filter((name, index) => tests.indexOf(name) !== index)).toEqual([]);
  expect(tests.length).toBe(TESTS);
});

test('the cases that assert them exist', () => {
  const known = new Set(allCases.map(({ title }) => title));
  const unknown = byCases.flatMap((entry) =>
    entry.titles.filter((title) => !known.has(title)).map((title) => `${entry.test}: ${title}`),
  );
  expect(unknown).toEqual([]);
  expect(byCases.filter(({ titles }) => titles.length === 0)).toEqual([]);
});

test('the unit test that asserts the rest exists', () => {
  expect(readFileSync(UNIT_TESTED.file, 'utf8')).toContain(`test('${UNIT_TESTED.title}'`);
});

test('few are left out, each for a reason', () => {
  expect(leftOut.length).toBeLessThanOrEqual(LEFT_OUT_MAX);
  expect(Object.keys(LEFT_OUT).filter((reason) => reason.trim() === '')).toEqual([]);
});
