// Random calls over links that break at random moments, to servers that are replaced now and then:
// what was answered was done, once, and in order; what failed was done once or not at all.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { LisafsClient } from '../../../src/lisafs/client.ts';
import type { Reply } from '../../../src/link/reply.ts';
import type { MountedRoot } from '../../../src/lisafs/client-mount.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import { Network } from './client-fixture.ts';

type Step =
  | { readonly kind: 'mkdir' | 'write' | 'read' | 'close' | 'hold' | 'replace' }
  | { readonly kind: 'break'; readonly isNoticed: boolean }
  | { readonly kind: 'lose'; readonly after: number }
  | { readonly kind: 'pass'; readonly ms: number };

const simple = (kind: 'mkdir' | 'write' | 'read' | 'close' | 'hold' | 'replace') =>
  fc.constant<Step>({ kind });

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: simple('mkdir'), weight: 8 },
  { arbitrary: simple('write'), weight: 8 },
  { arbitrary: simple('read'), weight: 4 },
  { arbitrary: simple('close'), weight: 2 },
  { arbitrary: simple('hold'), weight: 1 },
  { arbitrary: simple('replace'), weight: 1 },
  {
    arbitrary: fc.boolean().map((isNoticed): Step => ({ kind: 'break', isNoticed })),
    weight: 2,
  },
  {
    arbitrary: fc.nat({ max: 9 }).map((after): Step => ({ kind: 'lose', after })),
    weight: 2,
  },
  {
    arbitrary: fc.integer({ min: 1, max: 400 }).map((ms): Step => ({ kind: 'pass', ms })),
    weight: 8,
  },
);

/** One call, and what became of it. */
interface Call {
  readonly change: string;
  outcome: 'pending' | 'done' | 'failed';
}

class Run {
  /** The link dies as so many more messages would have arrived. */
  #lossIn = Infinity;
  readonly network = new Network({
    server: { inFlightMax: 6, graceMs: 20_000 },
    link: {
      delayMs: 7,
      noticeMs: 300,
      isLost: () => --this.#lossIn < 0,
    },
  });
  client!: LisafsClient;
  /** Names the file's FD in the session there is. */
  #fd = 0;
  #release: (() => void) | undefined;
  readonly calls: Call[] = [];
  readonly errors: unknown[] = [];
  lostCount = 0;

  async begin(): Promise<void> {
    const onLost = (fd: number): void => {
      this.lostCount++;
      this.#fd = fd;
    };
    this.client = await this.network.client({
      timeoutMs: 1_000_000,
      *onSessionLost(mounted: MountedRoot, calls) {
        const walked = yield* calls.call('Walk', { dirFD: mounted.fd, path: ['file'] });
        const fd = walked.inodes[0]!.controlFD;
        onLost((yield* calls.call('OpenAt', { fd, flags: 2 })).openFD);
      },
    });
    const dirFD = this.client.root.fd;
    const file = { dirFD, uid: NO_ID, gid: NO_ID, mode: 0o644, flags: 2, name: 'file' };
    const { newFD } = await this.network.run(this.client.call('OpenCreateAt', file));
    this.#fd = newFD;
    this.network.tree.changes.length = 0;
  }

  async step(step: Step): Promise<void> {
    const { network } = this;
    if (step.kind === 'mkdir') this.#mkdir();
    else if (step.kind === 'write') this.#write();
    else if (step.kind === 'read') this.#read();
    else if (step.kind === 'close') this.client.closeFd(1_000_000 + this.calls.length);
    else if (step.kind === 'replace') network.replaceServer();
    else if (step.kind === 'hold') {
      if (this.#release === undefined) this.#release = network.tree.hold();
      else this.release();
    } else if (step.kind === 'lose') this.#lossIn = step.after;
    else if (step.kind === 'pass') await network.pass(step.ms, 7);
    else if (step.kind === 'break' && step.isNoticed) network.link.notice();
    else network.link.die();
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #note(change: string, reply: Reply<unknown>): void {
    const call: Call = { change, outcome: 'pending' };
    this.calls.push(call);
    reply.onSettled((error) => {
      call.outcome = error === undefined ? 'done' : 'failed';
      if (error !== undefined && error !== linuxerr.EIO) this.errors.push(error);
    });
  }

  #mkdir(): void {
    const name = `d${this.calls.length}`;
    const values = () => {
      return { dirFD: this.client.root.fd, uid: NO_ID, gid: NO_ID, mode: 0o755, name };
    };
    this.#note(`make ${name}`, this.client.send('MkdirAt', values));
  }

  /** Each of another size, and so a change of its own. */
  #write(): void {
    const data = encodeUtf8('x'.repeat(1 + this.calls.length));
    const values = () => ({ fd: this.#fd, offset: 0, data });
    this.#note(`write ${data.length}`, this.client.send('PWrite', values));
  }

  #read(): void {
    const reply = this.client.send('PRead', () => ({ fd: this.#fd, offset: 0, count: 5000 }));
    reply.onSettled((error, value) => {
      // It may be sent again, so it always succeeds.
      if (error !== undefined) this.errors.push(error);
      else if (!/^x*$/.test(decodeUtf8(value!.data))) this.errors.push(value);
    });
  }

  check(): void {
    const { changes } = this.network.tree;
    const expected = this.calls.map(({ change }) => change);
    expect(this.errors).toEqual([]);
    expect(new Set(changes).size, 'nothing is done twice').toBe(changes.length);
    // Those of different files overlap on the server.
    for (const kind of ['make', 'write']) {
      const done = changes.filter((change) => change.startsWith(kind));
      const inOrder = expected.filter((change) => done.includes(change));
      expect(done, 'in order').toEqual(inOrder);
    }
    for (const { change, outcome } of this.calls) {
      expect(outcome, change).not.toBe('pending');
      if (outcome === 'done') expect(changes).toContain(change);
    }
    // Only who can't know fails.
    if (this.lostCount === 0) {
      expect(changes.toSorted()).toEqual(expected.toSorted());
      expect(this.calls.every(({ outcome }) => outcome === 'done')).toBe(true);
    }
  }

  /** Lets everything end that can. */
  async end(): Promise<void> {
    this.#lossIn = Infinity;
    this.release();
    await this.network.pass(200_000, 500);
    await this.network.run(this.client.close());
  }
}

test('what was answered was done, once and in order, whatever happens to links', async () => {
  let lostCount = 0;
  let attempts = 0;
  const property = fc.asyncProperty(
    fc.array(anyStep, { minLength: 20, maxLength: 60 }),
    async (steps) => {
      const run = new Run();
      await run.begin();
      for (const step of steps) await run.step(step);
      await run.end();
      run.check();
      lostCount += run.lostCount;
      attempts += run.network.attempts;
      await run.network.end();
    },
  );
  await fc.assert(property, { seed: 7, numRuns: 120 });
  // There was something to see.
  expect(lostCount).toBeGreaterThan(20);
  expect(attempts).toBeGreaterThan(150);
}, 120_000);
