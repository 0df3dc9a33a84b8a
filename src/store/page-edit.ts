// Changing leaf pages: merging sorted changes into a page, joining pages that became small,
// splitting those that became large. Pure: nothing here reads or writes records.

import { emptyPageBytes, encodeLeafPage, itemBytes } from './leaf-page.ts';
import type { LeafPage, PageContent } from './leaf-page.ts';

/** A key and its new value, or undefined to delete it. */
export type Change = readonly [key: string, value: Uint8Array | undefined];

/**
 * A page above this is split. One item may go beyond; 64 KiB, where IndexedDB gets slow, is far.
 */
const PAGE_BYTES_MAX = 32 * 1024;
/** How full a split leaves pages at most: room for items that grow. */
const PAGE_BYTES_FILL = 28 * 1024;
/** A page that shrank below this is joined with the one after it. */
const PAGE_BYTES_MIN = 8 * 1024;

/** What becomes of one page, or of neighbouring ones, in a commit. */
export interface Draft extends PageContent {
  /** First keys of the pages that this replaces. */
  readonly sources: readonly string[];
  readonly keys: string[];
  readonly values: Uint8Array[];
  /** Bytes of each item. */
  readonly sizes: number[];
  readonly sizeBytes: number;
  /** It takes less room than its sources did. */
  readonly hasShrunk: boolean;
  /** Everything new comes after everything old: more is likely to follow there. */
  readonly isAppend: boolean;
}

/** A page as a draft without changes. */
export function draftOf(page: LeafPage): Draft {
  return {
    first: page.first,
    end: page.end,
    sources: [page.first],
    keys: [...page.keys],
    values: [...page.values],
    sizes: page.keys.map((key, i) => itemBytes(key, page.values[i] ?? NOTHING)),
    sizeBytes: page.sizeBytes,
    hasShrunk: false,
    isAppend: false,
  };
}

const NOTHING = new Uint8Array(0);

/**
 * Merges changes, all of keys that the page covers, in ascending order. Undefined if nothing
 * changes.
 */
export function applyChanges(page: LeafPage, changes: readonly Change[]): Draft | undefined {
  const keys: string[] = [];
  const values: Uint8Array[] = [];
  const sizes: number[] = [];
  let sizeBytes = emptyPageBytes(page.end);
  let hasChanged = false;
  let firstNew: string | undefined;
  const push = (key: string, value: Uint8Array): void => {
    const size = itemBytes(key, value);
    keys.push(key);
    values.push(value);
    sizes.push(size);
    sizeBytes += size;
  };
  let at = 0;
  const copyUntil = (bound: string | undefined): void => {
    for (let key = page.keys[at]; key !== undefined; key = page.keys[++at]) {
      if (bound !== undefined && key >= bound) return;
      push(key, page.values[at] ?? NOTHING);
    }
  };
  for (const [key, value] of changes) {
    copyUntil(key);
    const isThere = page.keys[at] === key;
    if (isThere) at++;
    if (!isThere && value === undefined) continue;
    hasChanged = true;
    if (value === undefined) continue;
    if (!isThere) firstNew ??= key;
    push(key, value);
  }
  if (!hasChanged) return undefined;
  copyUntil(undefined);
  const lastOld = page.keys.at(-1);
  return {
    first: page.first,
    end: page.end,
    sources: [page.first],
    keys,
    values,
    sizes,
    sizeBytes,
    hasShrunk: sizeBytes < page.sizeBytes,
    isAppend: firstNew !== undefined && (lastOld === undefined || lastOld < firstNew),
  };
}

/** True if a draft ought to be joined with the page after it. */
export function isUnderfull(draft: Draft): boolean {
  return draft.hasShrunk && draft.sizeBytes < PAGE_BYTES_MIN;
}

/** One draft of two that are neighbours. */
export function joinDrafts(left: Draft, right: Draft): Draft {
  return {
    first: left.first,
    end: right.end,
    sources: [...left.sources, ...right.sources],
    keys: [...left.keys, ...right.keys],
    values: [...left.values, ...right.values],
    sizes: [...left.sizes, ...right.sizes],
    sizeBytes: left.sizeBytes - emptyPageBytes(left.end) + right.sizeBytes,
    hasShrunk: left.hasShrunk || right.hasShrunk,
    isAppend: false,
  };
}

/** The pages a draft becomes: one, or several if it is too large. */
export function finishDraft(draft: Draft): { record: Uint8Array; page: LeafPage }[] {
  if (draft.sizeBytes <= PAGE_BYTES_MAX) return [encodeLeafPage(draft)];
  const total = draft.sizeBytes;
  const target = draft.isAppend ? PAGE_BYTES_FILL : total / Math.ceil(total / PAGE_BYTES_FILL);
  const cuts: number[] = [];
  let pieceBytes = 0;
  draft.sizes.forEach((size, i) => {
    if (pieceBytes >= target) {
      cuts.push(i);
      pieceBytes = 0;
    }
    pieceBytes += size;
  });
  const bounds = [...cuts, draft.keys.length];
  let from = 0;
  return bounds.map((to) => {
    const content = {
      first: from === 0 ? draft.first : (draft.keys[from] ?? draft.first),
      end: draft.keys[to] ?? draft.end,
      keys: draft.keys.slice(from, to),
      values: draft.values.slice(from, to),
    };
    from = to;
    return encodeLeafPage(content);
  });
}
