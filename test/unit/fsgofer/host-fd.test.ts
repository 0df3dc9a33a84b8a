// Descriptors: closed once, not before the last user is done, and counted.

import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { FdBudget, HostFd } from '../../../src/fsgofer/host-fd.ts';
import { InvariantError } from '../../../src/lib/assert.ts';
import { failureOf } from './support.ts';

function budgetOf(fdsMax: number, parent?: FdBudget): FdBudget {
  const error = parent === undefined ? linuxerr.ENFILE : linuxerr.EMFILE;
  return new FdBudget({ fdsMax, error, ...(parent && { parent }) });
}

/** A descriptor of the folder of temporary files, and its number. */
async function openOne(budget: FdBudget): Promise<{ file: HostFd; number: number }> {
  const number = openSync('/', constants.O_RDONLY);
  return { file: await HostFd.open(budget, () => Promise.resolve(number)), number };
}

function isOpen(number: number): boolean {
  try {
    fstatSync(number);
    return true;
  } catch {
    // EBADF.
    return false;
  }
}

describe('HostFd', () => {
  test('is closed when it is closed, if nobody uses it', async () => {
    const budget = budgetOf(1);
    const { file, number } = await openOne(budget);
    expect(isOpen(number)).toBe(true);
    expect(await file.use((fd) => Promise.resolve(fd))).toBe(number);
    await file.close();
    expect(isOpen(number)).toBe(false);
    expect(budget.fdCount).toBe(0);
  });

  test('stays open for the calls under way, also for those that fail', async () => {
    const budget = budgetOf(1);
    const { file, number } = await openOne(budget);
    let finish!: () => void;
    let fail!: (error: Error) => void;
    const first = file.use(() => new Promise<void>((resolve) => (finish = resolve)));
    const second = file.use(() => new Promise<void>((_resolve, reject) => (fail = reject)));
    let isClosed = false;
    const closing = file.close().then(() => {
      isClosed = true;
    });
    finish();
    await first;
    expect(isOpen(number)).toBe(true);
    fail(linuxerr.EIO);
    expect(await failureOf(second)).toBe('EIO');
    await closing;
    expect(isClosed).toBe(true);
    expect(isOpen(number)).toBe(false);
  });

  test('using or closing it after it was closed is a bug, and closes nobody else', async () => {
    const { file, number } = await openOne(budgetOf(1));
    await file.close();
    const next = openSync('/', constants.O_RDONLY);
    expect(next).toBe(number);
    await expect(file.close()).rejects.toThrow(InvariantError);
    await expect(file.use(() => Promise.resolve())).rejects.toThrow(InvariantError);
    expect(isOpen(next)).toBe(true);
    closeSync(next);
  });

  test('what close(2) says is told, and the descriptor counts no more', async () => {
    const budget = budgetOf(1);
    const { file, number } = await openOne(budget);
    closeSync(number);
    expect(await failureOf(file.close())).toBe('EBADF');
    expect(budget.fdCount).toBe(0);
  });
});

describe('FdBudget', () => {
  test('EMFILE if a client has too many, ENFILE if all have; nothing is opened', async () => {
    const all = budgetOf(3);
    const [one, other] = [budgetOf(2, all), budgetOf(2, all)];
    const opened = [await openOne(one), await openOne(one), await openOne(other)];
    const before = readdirSync('/proc/self/fd').length;
    const openIt = (): Promise<number> => Promise.reject(new Error('it was opened'));
    expect(await failureOf(HostFd.open(one, openIt))).toBe('EMFILE');
    expect(await failureOf(HostFd.open(other, openIt))).toBe('ENFILE');
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
    for (const { file } of opened) await file.close();
    expect([one.fdCount, other.fdCount, all.fdCount]).toEqual([0, 0, 0]);
  });

  test('a reserved one counts from then on, and is opened once or given back', async () => {
    const budget = budgetOf(2);
    const [first, second] = [budget.reserve(), budget.reserve()];
    expect(() => budget.reserve()).toThrow(linuxerr.ENFILE);
    const number = openSync('/', constants.O_RDONLY);
    const file = await HostFd.open(first, () => Promise.resolve(number));
    first.release();
    expect(budget.fdCount).toBe(2);
    await expect(HostFd.open(first, () => Promise.resolve(-1))).rejects.toThrow(InvariantError);
    const openIt = (): Promise<number> => Promise.reject(linuxerr.ENOENT);
    expect(await failureOf(HostFd.open(second, openIt))).toBe('ENOENT');
    second.release();
    expect(budget.fdCount).toBe(1);
    await file.close();
    expect(budget.fdCount).toBe(0);
    const third = budget.reserve();
    third.release();
    third.release();
    expect(budget.fdCount).toBe(0);
  });

  test('who needs one only for a moment has one more than there are, in turn', async () => {
    const budget = budgetOf(1);
    const { file } = await openOne(budget);
    const order: string[] = [];
    const briefly = (name: string): Promise<void> =>
      budget.briefly(async (source) => {
        order.push(`${name} begins`);
        const number = openSync('/', constants.O_RDONLY);
        await (await HostFd.open(source, () => Promise.resolve(number))).close();
        order.push(`${name} ends`);
        if (name === 'first') throw linuxerr.EIO;
      });
    const [first, second] = [briefly('first'), briefly('second')];
    await expect(first).rejects.toBe(linuxerr.EIO);
    await second;
    expect(order).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
    expect(budget.fdCount).toBe(1);
    await file.close();
    await briefly('third');
    expect(budget.fdCount).toBe(0);
  });

  test('as many are taken as there are', () => {
    const budget = budgetOf(2);
    expect([budget.takeUpTo(5), budget.fdCount]).toEqual([2, 2]);
  });

  test('what could not be opened does not count', async () => {
    const budget = budgetOf(1);
    const openIt = (): Promise<number> => Promise.reject(linuxerr.ENOENT);
    for (let i = 0; i < 3; i++) expect(await failureOf(HostFd.open(budget, openIt))).toBe('ENOENT');
    expect(budget.fdCount).toBe(0);
  });
});
