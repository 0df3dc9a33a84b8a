// Finding: something about the tree that is not as it has to be, and what a repair would do.

import type { Op } from '../../lib/op.ts';
import type { StoredInode } from './items.ts';

/** In this order a repair goes about: what there is, where it belongs, what is counted. */
export const PHASES = ['items', 'tree', 'counts'] as const;
export type Phase = (typeof PHASES)[number];

export interface Fix {
  readonly phase: Phase;
  /** In words: 'its link count is set to 2'. */
  readonly what: string;
  /** It gives up data that is damaged: only if that is asked for. */
  readonly discards?: boolean;
  apply(edits: Edits): void;
}

export interface Finding {
  /** The inode it is about; `name`: an entry of that directory. Missing: the filesystem. */
  readonly ino?: number;
  readonly name?: string;
  /** A sentence whose subject is that. */
  readonly text: string;
  readonly fix?: Fix;
}

export type Report = (finding: Finding) => Op<void>;

/** What a repair changes. Fixes are made one after the other, and seen by the next look. */
export interface Edits {
  put(key: string, value: Uint8Array | undefined): void;
  putInode(ino: number, inode: StoredInode): void;
  /** What an object holds is given up. */
  discard(object: number): void;
  /** Gives an inode without a name one in /lost+found. */
  attach(ino: number, type: number): void;
  /** An inode about which nothing is known. */
  emptyInode(mode: number): StoredInode;
}
