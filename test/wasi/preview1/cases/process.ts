// args_*, environ_*, clock_*, random_get, proc_*, sched_yield and sock_*.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { decodeUtf8 } from '../../../../src/lib/text.ts';
import { ProgramExit } from '../../../../src/wasi/exit.ts';
import { differs, OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, FAR, type Program } from '../program.ts';

const BORROWED_RANGE = 'it looks at the range before the number of strings';

/** The strings of args_get or environ_get, which take two pointers. */
async function strings(p: Program, what: 'args' | 'environ'): Promise<string[]> {
  const [count, size] = [p.allocate(4), p.allocate(4)];
  expect(await p.call(`${what}_sizes_get`, count, size)).toBe('SUCCESS');
  const length = p.view.getUint32(size, true);
  const pointers = p.allocate(4 * p.view.getUint32(count, true));
  const text = p.allocate(length);
  expect(await p.call(`${what}_get`, pointers, text)).toBe('SUCCESS');
  expect(p.view.getUint32(pointers, true)).toBe(text);
  return decodeUtf8(p.bytes(text, length)).split('\0').slice(0, -1);
}

async function exitOf(run: Promise<unknown>): Promise<ProgramExit> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProgramExit);
  return error as ProgramExit;
}

export const stringCases: readonly Preview1Case[] = [
  {
    title: 'args_get stores pointers to strings that end in a NUL',
    run: async (p) => {
      expect(await strings(p, 'args')).toEqual(['program', 'argument']);
    },
  },
  {
    title: 'environ_get stores NAME=value',
    run: async (p) => {
      expect(await strings(p, 'environ')).toEqual(['NAME=value']);
    },
  },
  {
    title: 'args_sizes_get and environ_sizes_get return FAULT where a size has no room',
    node: differs('it answers OVERFLOW for a range outside of the memory'),
    run: async (p) => {
      expect(await p.call('args_sizes_get', FAR, p.result)).toBe('FAULT');
      expect(await p.call('args_sizes_get', p.result, FAR)).toBe('FAULT');
      expect(await p.call('environ_sizes_get', FAR, p.result)).toBe('FAULT');
      expect(await p.call('environ_sizes_get', p.result, p.size - 3)).toBe('FAULT');
    },
  },
  {
    title: 'args_get and environ_get return FAULT where the strings have no room',
    node: differs(BORROWED_RANGE),
    run: async (p) => {
      expect(await p.call('args_get', p.result, p.size - 2)).toBe('FAULT');
      expect(await p.call('args_get', p.size - 2, p.result)).toBe('FAULT');
      expect(await p.call('environ_get', p.result, p.size - 2)).toBe('FAULT');
      expect(await p.call('environ_get', FAR, p.result)).toBe('FAULT');
    },
  },
];

export const clockCases: readonly Preview1Case[] = [
  {
    title: 'clock_time_get and clock_res_get know four clocks and return INVAL for others',
    run: async (p) => {
      for (const id of [0, 1, 2, 3]) {
        expect(await p.call('clock_time_get', id, 0n, p.result)).toBe('SUCCESS');
        expect(await p.call('clock_res_get', id, p.result)).toBe('SUCCESS');
        expect(p.u64).toBeGreaterThan(0n);
      }
      for (const id of [4, -1, 0x7fff_ffff]) {
        expect(await p.call('clock_time_get', id, 0n, p.result)).toBe('INVAL');
        expect(await p.call('clock_res_get', id, p.result)).toBe('INVAL');
      }
    },
  },
  {
    title: 'clock_time_get takes any precision, and the last eight bytes of the memory',
    run: async (p) => {
      for (const precision of [0n, 1n, -1n, 2n ** 62n]) {
        expect(await p.call('clock_time_get', 0, precision, p.size - 8)).toBe('SUCCESS');
      }
      expect(p.view.getBigUint64(p.size - 8, true)).toBeGreaterThan(1_600_000_000n * 10n ** 9n);
    },
  },
  {
    title: 'clock_time_get and clock_res_get return FAULT for a bad pointer',
    node: differs('it answers OVERFLOW for a range outside of the memory'),
    run: async (p) => {
      for (const at of [p.size - 7, FAR, -1]) {
        expect(await p.call('clock_time_get', 0, 0n, at)).toBe('FAULT');
        expect(await p.call('clock_res_get', 0, at)).toBe('FAULT');
      }
    },
  },
];

export const randomCases: readonly Preview1Case[] = [
  {
    title: 'random_get fills exactly what it was given',
    run: async (p) => {
      const at = p.allocate(300);
      expect(await p.call('random_get', at + 8, 256)).toBe('SUCCESS');
      expect(new Set(p.bytes(at + 8, 256)).size).toBeGreaterThan(50);
      expect([...p.bytes(at, 8), ...p.bytes(at + 264, 8)]).toEqual(Array<number>(16).fill(0));
    },
  },
  {
    title: 'random_get of no bytes at the end of the memory succeeds',
    node: differs('the end of the memory is beyond it, even for no bytes'),
    run: async (p) => {
      expect(await p.call('random_get', p.size, 0)).toBe('SUCCESS');
    },
  },
  {
    title: 'random_get returns FAULT beyond the memory and stores nothing',
    node: differs('it answers OVERFLOW for a range outside of the memory'),
    run: async (p) => {
      expect(await p.call('random_get', p.size - 8, 9)).toBe('FAULT');
      expect([...p.bytes(p.size - 8, 8)]).toEqual(Array<number>(8).fill(0));
      expect(await p.call('random_get', 0, -1)).toBe('FAULT');
      expect(await p.call('random_get', p.size + 1, 0)).toBe('FAULT');
    },
  },
];

export const processCases: readonly Preview1Case[] = [
  {
    title: 'proc_exit ends the program with the code as it is, unsigned',
    node: OURS,
    run: async (p) => {
      expect((await exitOf(p.call('proc_exit', 0))).code).toBe(0);
      expect((await exitOf(p.call('proc_exit', 255))).code).toBe(255);
      expect((await exitOf(p.call('proc_exit', -1))).code).toBe(0xffff_ffff);
    },
  },
  {
    title: 'proc_raise ends the program by the signal',
    node: OURS,
    run: async (p) => {
      expect((await exitOf(p.call('proc_raise', wasi.SIGNAL_TERM))).signal).toBe('SIGTERM');
      expect((await exitOf(p.call('proc_raise', wasi.SIGNAL_ABRT))).code).toBe(128 + 6);
    },
  },
  {
    title: 'proc_raise does nothing for signal 0 and returns INVAL for numbers that are none',
    node: OURS,
    run: async (p) => {
      expect(await p.call('proc_raise', 0)).toBe('SUCCESS');
      expect(await p.call('proc_raise', 31)).toBe('INVAL');
      expect(await p.call('proc_raise', -1)).toBe('INVAL');
    },
  },
  {
    title: 'sched_yield succeeds',
    run: async (p) => {
      expect(await p.call('sched_yield')).toBe('SUCCESS');
    },
  },
  {
    title: 'sock functions return NOTSOCK for a file and BADF for what is not open',
    node: differs('its sock functions other than sock_accept and sock_shutdown are NOTSUP'),
    run: async (p) => {
      const file = await p.create('f');
      const iovs = p.iovecs([p.allocate(8), 8]);
      for (const [fd, error] of [
        [file, 'NOTSOCK'],
        [p.box, 'NOTSOCK'],
        [BAD_FD, 'BADF'],
      ] as const) {
        expect(await p.call('sock_accept', fd, 0, p.result)).toBe(error);
        expect(await p.call('sock_recv', fd, ...iovs, 0, p.result, p.result + 4)).toBe(error);
        expect(await p.call('sock_send', fd, ...iovs, 0, p.result)).toBe(error);
        expect(await p.call('sock_shutdown', fd, 1)).toBe(error);
      }
    },
  },
];
