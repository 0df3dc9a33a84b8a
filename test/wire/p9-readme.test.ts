// src/p9/README.md says what the tables of the messages say, and what the server serves of them.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type MessageName, messageRow, MESSAGES } from '../../src/p9/messages.ts';
import { handlerOf } from '../../src/p9/server-handlers.ts';

const HEADER = ['type', 'message', 'since', 'served', 'T', 'R'];
/** Those of the connection, and of the session. */
const WITHOUT_HANDLER: readonly MessageName[] = ['version', 'flush'];

type Row = readonly string[];

function readRows(): Row[] {
  const lines = readFileSync('src/p9/README.md', 'utf8').split('\n');
  const cells = lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
  const start = cells.findIndex((row) => row.join('|') === HEADER.join('|'));
  expect(start, 'a table of messages').toBeGreaterThanOrEqual(0);
  const rows = cells.slice(start + 2);
  return rows.slice(
    0,
    rows.findIndex((row) => row.length === 1),
  );
}

function describe(name: MessageName): Row {
  const { type, since, T, R } = messageRow(name);
  const fields = (table: typeof R): string => table.description || '–';
  const isServed = WITHOUT_HANDLER.includes(name) || handlerOf(name) !== undefined;
  const served = T === undefined ? '–' : isServed ? 'yes' : 'no';
  const asked = T === undefined ? 'never sent' : fields(T);
  return [String(type), name, since === undefined ? '' : String(since), served, asked, fields(R)];
}

test('the README has all messages, in their order', () => {
  expect(readRows()).toEqual((Object.keys(MESSAGES) as MessageName[]).map(describe));
});
