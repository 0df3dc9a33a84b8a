// An action asked for more often than it can be done.

import { expect, test } from 'vitest';
import { coalesce } from '../../../web/coalesce.ts';

test('an action asked for while it runs is run once more, and no more', async () => {
  const ends: (() => void)[] = [];
  const request = coalesce(() => new Promise((resolve) => ends.push(resolve)));
  const endNext = async (): Promise<void> => {
    ends.at(-1)?.();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  };
  request();
  request();
  request();
  expect(ends).toHaveLength(1);
  await endNext();
  expect(ends).toHaveLength(2);
  await endNext();
  expect(ends).toHaveLength(2);
  request();
  expect(ends).toHaveLength(3);
});
