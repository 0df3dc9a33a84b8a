// What mutations.mjs takes out of src is still there.

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('every mutation can be made', () => {
  const script = new URL('mutations.mjs', import.meta.url).pathname;
  expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('');
});
