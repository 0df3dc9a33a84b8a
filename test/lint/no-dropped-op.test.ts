// The rule no-dropped-op, run by the project's real ESLint configuration over a file of examples.
// Each report is expected by a comment `drops: <message id>` at the end of the line, or alone below
// it.

import { ESLint } from 'eslint';
import { expect, test } from 'vitest';
import { readFileSync } from 'node:fs';

const EXAMPLES = 'test/lint/fixtures/dropped-ops.ts';

function expectedReports(): string[] {
  return readFileSync(EXAMPLES, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      const [, code = '', ids] = /^(.*)\/\/ drops: ([a-z, ]+)$/.exec(line) ?? [];
      const lineNumber = code.trim() === '' ? index : index + 1;
      return ids?.split(', ').map((id) => `${lineNumber} ${id}`) ?? [];
    });
}

test('every Op that is dropped is reported, and no other', async () => {
  const eslint = new ESLint({ ignore: false });
  const [result] = await eslint.lintFiles([EXAMPLES]);
  const reports = result!.messages
    .filter(({ ruleId }) => ruleId === null || ruleId === 'burrow/no-dropped-op')
    .map(({ line, messageId, message }) => `${line} ${messageId ?? message}`);
  expect(reports.toSorted()).toEqual(expectedReports().toSorted());
  expect(reports.length).toBeGreaterThan(30);
}, 60_000);

test('the examples are read: a line says what it drops', () => {
  expect(expectedReports()).toContain('47 dropped');
});
