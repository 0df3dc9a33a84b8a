// A worker with one subject. Its name says which.

import { expose } from 'comlink';
import type { Operation, Subject } from './subject.ts';

/** What a subject's worker answers. */
export interface SubjectService {
  /** Makes the subject and its tree; returns what it can do. */
  start(): Promise<Operation[]>;
  /** Runs an operation `count` times and returns the milliseconds it took. */
  run(operation: Operation, count: number): Promise<number>;
}

// Each is loaded into its own worker only.
const MAKERS: Readonly<Record<string, () => Promise<Subject>>> = {
  core: async () => (await import('./subjects/core.ts')).makeCore(),
  memfs: async () => {
    // Loaded by memfs under the names of Node's modules.
    await import('./node-builtins.ts');
    const { memfs } = await import('memfs');
    const { makeNodeLike, nodeLike } = await import('./subjects/node-like.ts');
    return makeNodeLike(nodeLike(memfs().fs));
  },
  'zenfs-memory': async () => {
    const { configureSingle, fs, InMemory } = await import('@zenfs/core');
    const { makeNodeLike } = await import('./subjects/node-like.ts');
    await configureSingle({ backend: InMemory });
    return makeNodeLike(fs);
  },
  'zenfs-indexeddb': async () => {
    const { configureSingle, fs } = await import('@zenfs/core');
    const { IndexedDB } = await import('@zenfs/dom');
    const { makePromised } = await import('./subjects/promised.ts');
    await configureSingle({ backend: IndexedDB, storeName: 'bench-zenfs' });
    return makePromised(fs.promises);
  },
  lightning: async () => {
    const { default: LightningFs } = await import('@isomorphic-git/lightning-fs');
    const { makePromised } = await import('./subjects/promised.ts');
    return makePromised(new LightningFs('bench-lightning').promises);
  },
  opfs: async () => (await import('./subjects/opfs.ts')).makeOpfs(),
};

let subject: Subject | undefined;

const service: SubjectService = {
  async start() {
    subject = await MAKERS[self.name]?.();
    return Object.keys(subject?.operations ?? {}) as Operation[];
  },
  async run(operation, count) {
    const start = performance.now();
    // Only what is asynchronous is waited for.
    const pending = subject?.operations[operation]?.(count);
    if (pending !== undefined) await pending;
    return performance.now() - start;
  },
};

expose(service);
