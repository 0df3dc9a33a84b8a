// src/lisafs/README.md says what the tables of the messages say.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ArrayField, OptionalField } from '../../src/lib/wire.ts';
import type { Field } from '../../src/lib/wire-fields.ts';
import * as extensions from '../../src/lisafs/extensions.ts';
import * as frame from '../../src/lisafs/frame.ts';
import { type MessageName, messageRow, MESSAGES } from '../../src/lisafs/messages.ts';
import * as records from '../../src/lisafs/records.ts';
import { isStruct } from './any-values.ts';

const readme = readFileSync('src/lisafs/README.md', 'utf8');

type Row = readonly string[];

/** The rows of the table whose first line is `header`. */
function readTable(header: Row): Row[] {
  const lines = readme.split('\n').map((line) =>
    line.startsWith('|')
      ? line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim().replaceAll('`', ''))
      : [],
  );
  const start = lines.findIndex((cells) => cells.join('|') === header.join('|'));
  expect(start, `a table of ${header.join(', ')}`).toBeGreaterThanOrEqual(0);
  const rows = lines.slice(start + 2);
  return rows.slice(
    0,
    rows.findIndex((cells) => cells.length === 0),
  );
}

const names = Object.keys(MESSAGES) as MessageName[];
const isOurs = (name: MessageName): boolean => MESSAGES[name].mid >= extensions.EXTENSION_MID_MIN;

function fieldsOf(name: MessageName, kind: 'request' | 'response'): string {
  const table = messageRow(name)[kind];
  if (table === undefined) return 'none';
  return table.description === '' ? '–' : table.description;
}

function describe(name: MessageName): Row {
  const { mid, sender, isRetrySafe, errors } = messageRow(name);
  return [
    String(mid),
    name,
    sender,
    fieldsOf(name, 'request'),
    fieldsOf(name, 'response'),
    errors === undefined || errors.length === 0 ? '–' : errors.join(', '),
    isRetrySafe ? 'again' : 'kept',
  ];
}

function describeStandard(name: MessageName): Row {
  const { mid, guarantee, onReadOnly, isRetrySafe, needsHostFd } = messageRow(name);
  return [
    String(mid),
    name,
    fieldsOf(name, 'request'),
    fieldsOf(name, 'response'),
    guarantee,
    onReadOnly,
    isRetrySafe ? 'again' : 'kept',
    needsHostFd === true ? 'yes' : '',
  ];
}

/** Every record with a name that a message has in it, by that name. */
function findRecords(): Map<string, Row> {
  const found = new Map<string, Row>();
  const visit = (field: Field<unknown>): void => {
    if (field instanceof ArrayField) visit(field.element);
    if (field instanceof OptionalField) visit(field.field);
    if (!isStruct(field)) return;
    const size = `${field.isFixed ? '' : '≥ '}${field.sizeMin}`;
    if (!field.label.startsWith('{'))
      found.set(field.label, [field.label, size, field.description]);
    Object.values(field.table).forEach(visit);
  };
  for (const name of names) {
    const { request, response } = messageRow(name);
    if (request !== undefined) visit(request);
    if (response !== undefined) visit(response);
  }
  return found;
}

test('the README has our messages, in their order', () => {
  const header = ['MID', 'message', 'sender', 'request', 'response', 'errors', 'a lost reply'];
  expect(readTable(header)).toEqual(names.filter(isOurs).map(describe));
});

test('the README has the standard’s messages, in their order', () => {
  const header = [
    ...['MID', 'message', 'request', 'response', 'guarantee', 'on a read-only connection'],
    ...['a lost reply', 'needs a host fd'],
  ];
  const standard = names.filter((name) => !isOurs(name));
  expect(readTable(header)).toEqual(standard.map(describeStandard));
});

test('the README has the records that messages are made of', () => {
  const rows = [...findRecords().values()].toSorted(([a = ''], [b = '']) => a.localeCompare(b));
  expect(readTable(['record', 'bytes', 'fields'])).toEqual(rows);
});

test('the README has the numbers in messages', () => {
  const modules = { ...frame, ...records, ...extensions };
  const numbers = Object.entries<unknown>(modules).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${name} ${value}`] : [],
  );
  const rows = readTable(['number', 'value', 'meaning']);
  const stated = rows.map(([name = '', value = '']) => `${name} ${value}`);
  expect(stated.toSorted()).toEqual(numbers.toSorted());
});

test('the README says of each of our messages what it is for', () => {
  const prose = readme
    .split('\n')
    .filter((line) => !line.startsWith('|'))
    .join('\n');
  const silent = names.filter((name) => isOurs(name) && !prose.includes(`\`${name}\``));
  expect(silent).toEqual([]);
});
