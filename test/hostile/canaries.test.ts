// The checks after each sequence fail when there is something to be found: what a hostile client
// might do to what is outside is done here, and seen.

import { appendFileSync, chmodSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type BuiltCommand, buildCommand } from '../../.tools/gofer-command.mjs';
import { O_RDONLY } from '../../src/abi/fcntl.ts';
import { Arena } from './arena.ts';
import { SECRET } from './answers.ts';
import { WAYS } from './p9-wire.ts';
import type { Sequence } from './sequence.ts';

const START_TIMEOUT_MS = 120_000;

let built: BuiltCommand | undefined;
let arena: Arena | undefined;

beforeAll(async () => {
  built = await buildCommand();
}, START_TIMEOUT_MS);

afterEach(async () => {
  await arena?.close();
  arena = undefined;
});

afterAll(() => {
  built?.remove();
});

async function checkAfter(run: Sequence['run'], by?: Sequence['by']): Promise<void> {
  arena = new Arena(built!.script);
  const sequence = { name: 'harm', holds: 'nothing', run, ...(by !== undefined && { by }) };
  await arena.begin(sequence);
  await sequence.run(arena);
  await arena.check(sequence);
}

test('nothing is found where nothing was done', async () => {
  await checkAfter(async (each) => {
    const { attacker, root } = await each.mounted();
    await attacker.walk(root, 'file');
    for (const way of WAYS) {
      const by9P = await each.attached(way);
      await by9P.attacker.walk(by9P.root, 'file');
    }
  }, '9P');
});

const HARMS: readonly [name: string, found: string, harm: (each: Arena) => void][] = [
  [
    'read',
    'what is outside',
    (each) => {
      readFileSync(each.outside('secret'));
    },
  ],
  [
    'written',
    'what is outside',
    (each) => {
      appendFileSync(each.outside('folder', 'inner'), 'x');
    },
  ],
  [
    'given other rights',
    'what is outside',
    (each) => {
      chmodSync(each.outside('secret'), 0o600);
    },
  ],
  [
    'moved',
    'what is outside',
    (each) => {
      renameSync(each.outside('secret'), each.outside('moved'));
    },
  ],
  [
    'removed',
    'what is outside',
    (each) => {
      rmSync(each.outside('folder'), { recursive: true });
    },
  ],
  [
    'put beside it',
    'what is outside',
    (each) => {
      symlinkSync('/etc/passwd', each.outside('planted'));
    },
  ],
];

test.each(HARMS)('what is outside has been %s: it is found', async (_name, found, harm) => {
  const checked = checkAfter((each) => {
    harm(each);
    return Promise.resolve();
  });
  await expect(checked).rejects.toThrow(found);
});

test('the server has ended: it is found', async () => {
  const checked = checkAfter(async ({ server: { command } }) => {
    command.child.kill('SIGKILL');
    await command.ended;
  });
  await expect(checked).rejects.toThrow('expected false to be true');
});

test('lisafs has told what is outside: it is found', async () => {
  const checked = checkAfter(async (each) => {
    writeFileSync(each.in('file'), SECRET);
    const { attacker, root } = await each.mounted();
    const wanted = { dirFD: root, path: ['file'], flags: O_RDONLY, maxBytes: 100 };
    await attacker.must('WalkOpenRead', wanted);
  });
  await expect(checked).rejects.toThrow('a frame has what is outside');
});

test.each(WAYS)('9P has told what is outside, by %s: it is found', async (way) => {
  const checked = checkAfter(async (each) => {
    writeFileSync(each.in('file'), SECRET);
    const { attacker, root } = await each.attached(way);
    const fid = await attacker.open(root, O_RDONLY, 'file');
    await attacker.must('read', { fid, offset: 0, count: 100 });
  });
  await expect(checked).rejects.toThrow('a frame has what is outside');
});
