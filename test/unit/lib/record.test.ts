// Records with text behind them: the rest is in bytes.test.ts.

import { expect, test } from 'vitest';
import { Arena } from '../../../src/lib/arena.ts';
import { RecordCodec } from '../../../src/lib/record.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';

test('text behind a record is UTF-8, whatever is in it', () => {
  const codec = new RecordCodec([
    ['first', 'u8'],
    ['second', 'u32'],
  ]);
  const values = { first: 7, second: 0x1234_5678 };
  for (const text of ['', 'name', 'n'.repeat(255), 'Grüße', '日本', '🐇.txt', 'a\ud800b']) {
    const bytes = codec.encodeTextIn(new Arena(), values, text);
    expect([...bytes]).toEqual([...codec.encode(values, encodeUtf8(text))]);
    expect(codec.decode(bytes)?.values).toEqual(values);
  }
});
