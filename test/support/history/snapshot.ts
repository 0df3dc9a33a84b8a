// What is in the store of an idbfs after some calls, committed.

import { FakeClock } from '../../../src/lib/clock.ts';
import { runSync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../../src/store/memory-view.ts';
import { type Action, perform } from './action.ts';
import { closeSession, openIdbfs } from './session.ts';

/** Errors: Error if a call fails. */
export function snapshotAfter(actions: readonly Action[]): MemoryStoreSnapshot {
  const store = new MemoryStore();
  const session = runSync(openIdbfs({ store, clock: new FakeClock() }));
  for (const action of actions) {
    const outcome = runSync(perform(session.sys, action));
    if (/^E[A-Z]+$/.test(outcome)) throw new Error(`the scene: ${action.call}: ${outcome}`);
  }
  session.task.fds.closeAll();
  runSync(closeSession(session));
  return store.snapshot();
}
