// SteppedTree: what a server serves, in memory, whose every call waits to be chosen: so requests
// overtake each other where the server lets them.

import { S_IFLNK, S_IFMT, S_IFREG } from '../../src/abi/stat.ts';
import type { Op } from '../../src/lib/op.ts';
import { describeBlocks } from '../support/history/tree.ts';
import { MemoryTree } from '../unit/lisafs/memory-tree.ts';

export type MemoryInode = MemoryTree['top'];

export interface ServedCall {
  readonly title: string;
  go(): void;
}

export class SteppedTree extends MemoryTree {
  /** Off while a scene is set up and cleared away. */
  isStepped = false;
  override countsSubdirectories = true;
  /** In the order in which they came. */
  readonly calls: ServedCall[] = [];

  override *enter(change?: string): Op<void> {
    if (this.isStepped) yield* this.#turn(change ?? 'looks');
    yield* super.enter(change);
  }

  *#turn(title: string): Op<void> {
    let isChosen = false;
    let wakeUp: (() => void) | undefined;
    const call: ServedCall = {
      title,
      go: () => {
        this.calls.splice(this.calls.indexOf(call), 1);
        isChosen = true;
        wakeUp?.();
      },
    };
    this.calls.push(call);
    const hasCome = (): boolean => isChosen;
    while (!hasCome()) {
      yield {
        subscribe: (wake) => {
          wakeUp = wake;
          return () => {
            wakeUp = undefined;
          };
        },
      };
    }
  }
}

/** As lines that any filesystem's tree can be put in: gofer-outcome.ts. */
export function describeServed(inode: MemoryInode, path = ''): string[] {
  const { mode, nlink, uid, gid, size } = inode.statx;
  const type = mode & S_IFMT;
  const length = type === S_IFREG ? ` ${size} ` : ' ';
  const isLink = type === S_IFLNK;
  const contents = isLink ? inode.target : type === S_IFREG ? describeBlocks(inode.data) : '';
  const name = path === '' ? '/' : path;
  const line = `${name} ${mode.toString(8)} n=${nlink} ${uid}:${gid}${length}${contents}`;
  return [
    line,
    ...[...inode.names].flatMap(([each, child]) => describeServed(child, `${path}/${each}`)),
  ];
}
