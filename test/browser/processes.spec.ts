// Two programs at once: they meet in FIFOs and at locks, and print what they print on Linux.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'playwright/test';
import { twinNative, twinWasm } from '../wasi/twins.ts';
import { test } from './support/fixtures.ts';

const ROLES = ['a', 'b'];

/** What the two print as processes of this machine. */
async function runNatively(name: string): Promise<string[]> {
  const program = await twinNative(name);
  const cwd = await mkdtemp(join(tmpdir(), 'burrow-processes-'));
  try {
    const runs = ROLES.map((role) => promisify(execFile)(program, [role], { cwd }));
    return (await Promise.all(runs)).map(({ stdout }) => stdout);
  } finally {
    await rm(cwd, { recursive: true });
  }
}

test('two processes share FIFOs and locks as on Linux', async ({ kernelPage }) => {
  const native = await runNatively('two-processes');
  const module = [...(await readFile(await twinWasm('two-processes')))];
  const found = await kernelPage.evaluate(
    async ({ bytes, roles }) => {
      const program = new Uint8Array(bytes);
      const runs = roles.map((role) => inPage.run(program, { args: [role] }));
      return (await Promise.all(runs)).map(({ stdout }) => stdout);
    },
    { bytes: module, roles: ROLES },
  );
  expect(found).toEqual(native);
});

/** (module (memory (export "memory") 1) (func (export "_start"))) */
const NOTHING = Buffer.from(
  '0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f73746172740000' +
    '0a040102000b',
  'hex',
);

test('hundreds of programs, several at once, all get a memory', async ({ kernelPage }) => {
  test.setTimeout(120_000);
  const ends = await kernelPage.evaluate(
    async (bytes) => {
      const module = await WebAssembly.compile(new Uint8Array(bytes));
      const modes = crossOriginIsolated ? (['worker', 'inline'] as const) : (['inline'] as const);
      const run = async (index: number): Promise<string> => {
        const isolation = modes[index % modes.length]!;
        const { code, error } = await (await kernel.spawn(module, { isolation })).exited;
        return error ?? String(code);
      };
      const found = new Set<string>();
      for (let round = 0; round < 50; round++) {
        const all = await Promise.all(Array.from({ length: 8 }, (_, index) => run(index)));
        for (const end of all) found.add(end);
      }
      return [...found];
    },
    [...NOTHING],
  );
  expect(ends).toEqual(['0']);
});

const TRANSACTIONS = 1000;

test('two sqlites write one database, and nothing is lost', async ({ kernelPage }) => {
  test.setTimeout(600_000);
  const found = await kernelPage.evaluate(async (count) => {
    const { program, run, feed, read } = inPage;
    const sqlite = program('sqlite3');
    const ask = async (sql: string): Promise<string> =>
      (await run(sqlite, { args: ['/shared.db', sql] })).stdout.trim();
    await ask(
      'CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);' +
        'CREATE TABLE log (writer TEXT, i INTEGER);',
    );
    const write = async (writer: string): Promise<string> => {
      const process = await kernel.spawn(sqlite, { args: ['/shared.db'], stdin: 'pipe' });
      const lines = Array.from(
        { length: count },
        (_, i) =>
          'BEGIN IMMEDIATE; UPDATE counter SET n = n + 1;' +
          `INSERT INTO log VALUES ('${writer}', ${i}); COMMIT;\n`,
      );
      const errors = read(process.stderr);
      const output = read(process.stdout);
      await feed(process, `PRAGMA busy_timeout = 300000;\n${lines.join('')}`);
      await process.exited;
      await output;
      return await errors;
    };
    const errors = await Promise.all([write('a'), write('b')]);
    return {
      errors,
      counter: await ask('SELECT n FROM counter'),
      log: await ask('SELECT writer, count(*), count(DISTINCT i) FROM log GROUP BY writer'),
      check: await ask('PRAGMA integrity_check'),
    };
  }, TRANSACTIONS);
  expect(found).toEqual({
    errors: ['', ''],
    counter: String(2 * TRANSACTIONS),
    log: `a|${TRANSACTIONS}|${TRANSACTIONS}\nb|${TRANSACTIONS}|${TRANSACTIONS}`,
    check: 'ok',
  });
});
