// Random histories of commits, snapshots, clones, deletions and rollbacks, against a model: every
// tree is as it should be after each step, and every place has as many users as are counted.

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import type { CheckReport } from '../../../../src/store/engine/check.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { fuzz, FUZZ_TIMEOUT } from '../../../support/history/settings.ts';
import { bytes, commit, COMMIT_TRIES, failNextTransaction, Origin } from '../support.ts';
import { anyStep, History, type Step, until } from './history.ts';
import { checkImage, openEngine, reopenEngine } from './support.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT * 2 });

interface Subject {
  readonly name: string;
  readonly runs: number;
  open(): Promise<Engine>;
  reopen(engine: Engine): Promise<Engine>;
  failNext(): void;
  /** What is on the medium is whole, as far as that can be seen while it is in use. */
  check(): Promise<void>;
  /** The same once it isn't. */
  checkClosed(): Promise<CheckReport>;
}

function engineSubject(name: string, cacheBytes: number): Subject {
  let device = new MemoryDevice();
  return {
    name,
    runs: 25,
    open() {
      device = new MemoryDevice({ yields: true });
      return openEngine(device, cacheBytes);
    },
    reopen: (engine) => reopenEngine(device, engine, cacheBytes),
    failNext: () => {
      device.failNextCommit(linuxerr.ENOSPC);
    },
    async check() {
      await checkImage(device);
    },
    checkClosed: () => checkImage(device),
  };
}

function idbSubject(name: string, cacheBytes: number): Subject {
  let origin = new Origin();
  return {
    name,
    runs: 6,
    open() {
      origin = new Origin();
      return origin.open({ cacheBytes });
    },
    async reopen(engine) {
      await runAsync(engine.close());
      await origin.check();
      return origin.open({ cacheBytes });
    },
    failNext: () => {
      failNextTransaction('QuotaExceededError', COMMIT_TRIES);
    },
    check: () => Promise.resolve(),
    checkClosed: () => origin.check(),
  };
}

const SUBJECTS = [
  engineSubject('engine', 1 << 20),
  engineSubject('engine without a cache', 0),
  idbSubject('engine on IndexedDB', 200_000),
];

async function play(subject: Subject, steps: readonly Step[]): Promise<History> {
  const history = new History(await subject.open());
  let fails = false;
  for (const step of steps) {
    if (step.kind === 'reopen') history.reopened(await subject.reopen(history.engine));
    else if (step.kind === 'fail') {
      fails = true;
      continue;
    } else if (fails) {
      // Nothing else may be under way that would fail in its place.
      history.reopened(await subject.reopen(history.engine));
      await history.check();
      await history.do(step, () => {
        subject.failNext();
      });
      history.reopened(await subject.reopen(history.engine));
    } else await history.do(step);
    fails = false;
    await subject.check();
    await history.check();
  }
  return history;
}

describe.each(SUBJECTS)('$name', (subject) => {
  test('every tree is as its model, and the space of those that went is free', async () => {
    const anySteps = fc.array(anyStep, { minLength: 5, maxLength: 15, size: 'max' });
    const property = fc.asyncProperty(anySteps, async (steps) => {
      const history = await play(subject, steps);
      for (const name of [...history.forest.named.keys()]) {
        await history.do({ kind: 'delete', name });
      }
      // What is left of a release goes on after the first commit.
      history.reopened(await subject.reopen(history.engine));
      await commit(history.engine, { items: [['last', bytes(1)]] });
      await history.do({ kind: 'clear', tree: 0 });
      await commit(history.engine, { items: [['last', undefined]] });
      await until(() => Promise.resolve(history.engine.subvolumes.sharedUpTo === 0));
      await history.check();
      await runAsync(history.engine.close());
      // The roots of an empty store.
      expect(await subject.checkClosed()).toMatchObject({ nodes: 2, records: 0, dying: 0 });
    });
    await fc.assert(property, fuzz(subject.runs));
  });
});
