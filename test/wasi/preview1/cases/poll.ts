// poll_oneoff.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { differs, OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, FAR, type PolledEvent, type Program } from '../program.ts';

const { EVENTTYPE_FD_READ: IN, EVENTTYPE_FD_WRITE: OUT } = wasi;
const SECOND = 10n ** 9n;

const summary = (events: readonly PolledEvent[]): string[] =>
  events.map(({ userdata, type, error }) => `${userdata} ${type} ${error}`).sort();

/** poll(), with time that passes until it ends. */
async function pollFor(p: Program, ms: number, ...subs: readonly Uint8Array[]): Promise<string[]> {
  const polled = p.poll(...subs);
  // Everything up to the wait runs in microtasks.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  p.kernel.scene.clock.advance(ms);
  return summary(await polled);
}

export const pollCases: readonly Preview1Case[] = [
  {
    title: 'poll_oneoff of nothing is INVAL',
    run: async (p) => {
      expect(await p.call('poll_oneoff', 0, 0, 0, p.result)).toBe('INVAL');
    },
  },
  {
    title: 'poll_oneoff is FAULT beyond the memory: subscriptions, events and their number',
    node: differs('it answers OVERFLOW for a range outside of the memory'),
    run: async (p) => {
      const at = p.allocate(64);
      const input = p.size - 48;
      p.bytes(input, 48).set(p.clockSubscription(1n, { id: 0, timeout: 0n }));
      expect(await p.call('poll_oneoff', input, at, 1, p.result)).toBe('SUCCESS');
      expect(await p.call('poll_oneoff', input + 1, at, 1, p.result)).toBe('FAULT');
      expect(await p.call('poll_oneoff', input, p.size - 31, 1, p.result)).toBe('FAULT');
      expect(await p.call('poll_oneoff', input, at, 1, p.size - 3)).toBe('FAULT');
      expect(await p.call('poll_oneoff', FAR, at, 1, p.result)).toBe('FAULT');
    },
  },
  {
    title: 'poll_oneoff with a type of event that is none is INVAL',
    run: async (p) => {
      const at = p.allocate(64);
      const [input] = p.text(p.fdSubscription(1n, 3, p.box));
      expect(await p.call('poll_oneoff', input, at, 1, p.result)).toBe('INVAL');
    },
  },
  {
    title: 'a file is ready to be read and written, with the bytes up to its end',
    node: differs('it polls regular files as descriptors of the machine: PERM'),
    run: async (p) => {
      const file = await p.create('f', 'text');
      await p.read(file, 1);
      const events = await p.poll(p.fdSubscription(1n, IN, file), p.fdSubscription(2n, OUT, file));
      expect(events).toMatchObject([
        { userdata: 1n, error: 'SUCCESS', type: IN, bytes: 3n },
        { userdata: 2n, error: 'SUCCESS', type: OUT },
      ]);
    },
  },
  {
    title: 'the same descriptor twice gives two events',
    node: OURS,
    run: async (p) => {
      const one = p.fdSubscription(1n, OUT, 1);
      const two = p.fdSubscription(2n, OUT, 1);
      expect(summary(await p.poll(one, two, one))).toEqual([
        '1 2 SUCCESS',
        '1 2 SUCCESS',
        '2 2 SUCCESS',
      ]);
    },
  },
  {
    title: 'a descriptor that is not open gives an event with BADF beside those that are ready',
    node: OURS,
    run: async (p) => {
      const file = await p.create('f', 'text');
      const events = await p.poll(
        p.fdSubscription(1n, IN, BAD_FD),
        p.fdSubscription(2n, IN, file),
        p.fdSubscription(3n, IN, 0),
        p.fdSubscription(4n, OUT, -1),
        p.clockSubscription(5n, { id: 1, timeout: SECOND }),
      );
      expect(summary(events)).toEqual(['1 1 BADF', '2 1 SUCCESS', '4 2 BADF']);
    },
  },
  {
    title: 'a clock that is due is told of beside a descriptor that is ready',
    node: OURS,
    run: async (p) => {
      const events = await p.poll(
        p.clockSubscription(1n, { id: 1, timeout: 0n }),
        p.fdSubscription(2n, OUT, 1),
        p.clockSubscription(3n, { id: 1, timeout: SECOND }),
      );
      expect(summary(events)).toEqual(['1 0 SUCCESS', '2 2 SUCCESS']);
    },
  },
  {
    title: 'a time that has passed is due at once, on both clocks',
    node: OURS,
    run: async (p) => {
      for (const id of [0, 1]) {
        const past = p.clockSubscription(1n, { id, timeout: 1n, isAbsolute: true });
        expect(summary(await p.poll(past))).toEqual(['1 0 SUCCESS']);
      }
    },
  },
  {
    title: 'a time to come is waited for',
    node: OURS,
    run: async (p) => {
      await p.call('clock_time_get', 0, 0n, p.result);
      const timeout = p.u64 + 2n * SECOND;
      const sub = p.clockSubscription(1n, { id: 0, timeout, isAbsolute: true });
      expect(await pollFor(p, 2000, sub)).toEqual(['1 0 SUCCESS']);
    },
  },
  {
    title: 'only the clock that is due first is told of',
    node: OURS,
    run: async (p) => {
      const events = await pollFor(
        p,
        1000,
        p.clockSubscription(1n, { id: 1, timeout: 3n * SECOND }),
        p.clockSubscription(2n, { id: 1, timeout: SECOND }),
        p.fdSubscription(3n, IN, 0),
      );
      expect(events).toEqual(['2 0 SUCCESS']);
    },
  },
  {
    title: 'two clocks that are due at once are both told of',
    node: OURS,
    run: async (p) => {
      const events = await pollFor(
        p,
        1000,
        p.clockSubscription(1n, { id: 1, timeout: SECOND }),
        p.clockSubscription(2n, { id: 0, timeout: SECOND }),
      );
      expect(events).toEqual(['1 0 SUCCESS', '2 0 SUCCESS']);
    },
  },
  {
    title: 'a clock there is not gives an event with INVAL, and nothing is waited for',
    node: OURS,
    run: async (p) => {
      const events = await p.poll(
        p.clockSubscription(1n, { id: 9, timeout: SECOND }),
        p.fdSubscription(2n, IN, 0),
      );
      expect(summary(events)).toEqual(['1 0 INVAL']);
    },
  },
  {
    title: 'an empty stream is waited for, whether it blocks or not',
    node: OURS,
    run: async (p) => {
      for (const flags of [0, wasi.FDFLAGS_NONBLOCK]) {
        await p.call('fd_fdstat_set_flags', 0, flags);
        const timeout = p.clockSubscription(1n, { id: 1, timeout: SECOND });
        expect(await pollFor(p, 1000, p.fdSubscription(2n, IN, 0), timeout)).toEqual([
          '1 0 SUCCESS',
        ]);
      }
    },
  },
  {
    title: 'userdata comes back as it was, all 64 bits',
    run: async (p) => {
      const sub = p.clockSubscription(0xfedc_ba98_7654_3210n, { id: 1, timeout: 0n });
      expect(await p.poll(sub)).toMatchObject([{ userdata: 0xfedc_ba98_7654_3210n }]);
    },
  },
];
