// Whatever a program calls its imports with, it gets an errno back: never a JavaScript exception.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { WouldWait } from '../../../src/lib/op.ts';
import { ProgramExit } from '../../../src/wasi/exit.ts';
import { HOST_SIGNATURES, PREVIEW1_SIGNATURES } from '../../../src/wasi/signatures.ts';
import { type Guest, startGuest, WASI } from '../../support/guest.ts';
import { fuzz } from '../../support/history/settings.ts';
import { type Actor, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open({ type: 'tmpfs', options: { size: '1m' } });
  t = await scene.newActor();
});

afterEach(() => scene.close());

/** fds 0 to 5: a pipe, files, directories. */
async function openGuest(): Promise<Guest> {
  const queue = new ByteQueue();
  const pipe = { flags: O_RDWR, isTerminal: false, input: queue, output: queue };
  t.task.fds.install(scene.kernel.openStream(pipe, ROOT_CREDENTIALS));
  await t.mkdir('/d');
  await t.createFile('/d/f', 'contents');
  await t.symlink('f', '/d/s');
  await t.open('/d/f', O_CREAT | O_RDWR);
  return startGuest(scene, t, { directories: { '/': '/', '/d': '/d' }, args: ['p', 'é'] });
}

const SIGNATURES: readonly [string, string][] = [
  ...Object.entries(PREVIEW1_SIGNATURES),
  ...Object.values(HOST_SIGNATURES).flatMap((functions) => Object.entries(functions)),
];

const i32 = fc.oneof(
  fc.integer({ min: -3, max: 6 }),
  fc.nat(300),
  fc.constantFrom(-100, 65_535, 65_536, 0x7fff_ffff, -0x8000_0000, -8, 1024, 1025, 40_000),
  fc.integer(),
);
const i64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 100n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, 2n ** 40n),
);

function argumentsOf(signature: string): fc.Arbitrary<(number | bigint)[]> {
  return fc.tuple(...Array.from(signature, (letter) => (letter === 'I' ? i64 : i32)));
}

/** The result, or that the program would wait or end. */
function outcome(guest: Guest, name: string, args: readonly unknown[]): unknown {
  try {
    return guest.call(name, ...args);
  } catch (error) {
    if (error instanceof WouldWait) {
      error.op.return(undefined);
      return 'waits';
    }
    if (error instanceof ProgramExit) return 'ends';
    throw error;
  }
}

function expectErrno(result: unknown, call: string): void {
  if (result === 'waits' || result === 'ends') return;
  const isErrno = Number.isInteger(result) && (result as number) >= 0 && (result as number) <= 76;
  // path_mode and fd_mode of host_fs have a mode as their result.
  expect(isErrno || /_mode\(/.test(call), `${call} = ${String(result)}`).toBe(true);
}

describe.each(SIGNATURES)('%s', (name, signature) => {
  test('takes anything', async () => {
    const guest = await openGuest();
    // Something to read as text and as records, in parts valid.
    const bytes = guest.bytes(0, guest.size);
    bytes.forEach((_byte, at) => {
      bytes[at] = at % 3 === 0 ? 0x64 : at & 0x7f;
    });
    fc.assert(
      fc.property(argumentsOf(signature), (args) => {
        expectErrno(outcome(guest, name, args), `${name}(${args.join(', ')})`);
      }),
      fuzz(150),
    );
  });

  test('is no harm before the program has a memory', async () => {
    const guest = await startGuest(scene, t, {}, { attach: false });
    const args = Array.from(signature, (letter) => (letter === 'I' ? 0n : 0));
    expectErrno(outcome(guest, name, args), `${name}(${args.join(', ')})`);
  });
});

test('AT_FDCWD is no descriptor to a program', async () => {
  await t.createFile('/secret', 'x');
  await t.mkdir('/box');
  const guest = await startGuest(scene, t, { directories: { '/box': '/box' } });
  const path = guest.text('secret');
  const result = guest.allocate(64);
  expect(guest.call('path_filestat_get', -100, 0, ...path, result)).toBe(WASI.BADF);
  expect(guest.call('path_open', -100, 0, ...path, 0, 2n, 2n, 0, result)).toBe(WASI.BADF);
  expect(guest.call('path_unlink_file', -100, ...path)).toBe(WASI.BADF);
  expect(guest.call('path_create_directory', -100, ...guest.text('new'))).toBe(WASI.BADF);
  expect(await t.exists('/secret')).toBe(true);
});
