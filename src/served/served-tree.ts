// ServedTree: one tree of files that clients of any protocol use at once. It keeps their requests
// apart, and tells clients what others have changed. Servers of the same files share one.
// Mirrors gVisor pkg/lisafs/server.go (renameMu), node.go.
//
// Order of locks:
//
//	renameMu
//	  Node.opMu of a directory
//	    Node.opMu of a directory in it
//	    Holder.fileMu of a file in it
//	      Node.opMu of one of the file's names
//
// README.md says why that can't come to a deadlock.

import { S_IFDIR } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import { RwLock } from '../lib/rw-lock.ts';
import { type Change, type Fanout, type FanoutMember, LocalFanout } from './fanout.ts';
import { FileIndex } from './file-index.ts';
import { type Used, usingToRead, usingToWrite, withRead, withWrite } from './locked.ts';
import { type Holder, Node } from './node.ts';

/** What others are told of a file. */
export const CHANGED_ATTRIBUTES = 1;
export const CHANGED_DATA = 2;
/** All names of a directory. */
export const CHANGED_LISTING = 4;
/** It has no name any more. */
export const CHANGED_GONE = 8;
/** One name of a directory. */
export const CHANGED_ENTRY = 16;

/** Data, and with that size and times. */
const WRITTEN = CHANGED_ATTRIBUTES | CHANGED_DATA;

type ChangedFile = Pick<Holder, 'fileKey' | 'birth'>;

export class ServedTree {
  readonly root = new Node();
  /** Held for writing while names of directories change place. */
  readonly renameMu = new RwLock();
  readonly files = new FileIndex();
  readonly #fanout: FanoutMember;

  /** `fanout`: the way to other servers' clients. */
  constructor(fanout: Fanout = new LocalFanout()) {
    this.root.retain();
    this.#fanout = fanout.join({
      onChange: (change) => {
        this.#onChange(change);
      },
      onMissed: () => {
        this.#onMissed();
      },
    });
  }

  /** Runs while the file is neither written to nor moved. */
  *reading<T>(used: Used, run: () => Op<T>): Op<T> {
    return yield* withRead(this.renameMu, () => usingToRead(used, run));
  }

  /** Runs while nobody else uses the file. */
  *writing<T>(used: Used, run: () => Op<T>): Op<T> {
    return yield* withRead(this.renameMu, () => usingToWrite(used, run));
  }

  /** Runs while nobody uses the tree. */
  *alone<T>(run: () => Op<T>): Op<T> {
    return yield* withWrite(this.renameMu, run);
  }

  /** A client has changed a file: others that hold it are told, here and elsewhere. */
  changed(client: object, file: ChangedFile, flags: number, name = ''): void {
    const { fileKey, birth } = file;
    for (const other of this.files.of(fileKey)) {
      if (other.client !== client) other.changed(flags, name);
    }
    this.#fanout.publish({ file: this.files.nameOf(fileKey), birth, flags, name });
  }

  written(holder: Holder): void {
    this.changed(holder.client, holder, WRITTEN);
  }

  attributesChanged(holder: Holder): void {
    this.changed(holder.client, holder, CHANGED_ATTRIBUTES);
  }

  /** A name of a directory is another file's by now, or nobody's. */
  entryChanged(holder: Holder, name: string): void {
    this.changed(holder.client, holder, CHANGED_ATTRIBUTES | CHANGED_ENTRY, name);
  }

  /** What is at a node has been moved, or linked. */
  moved(client: object, node: Node | undefined): void {
    const files = new Map([...(node?.holders ?? [])].map((holder) => [holder.fileKey, holder]));
    for (const file of files.values()) this.changed(client, file, CHANGED_ATTRIBUTES);
  }

  /** What was at a node has been removed. It may still have other names. */
  gone(client: object, node: Node): void {
    this.moved(client, node);
    for (const other of node.holders) {
      if (other.client !== client) other.changed(CHANGED_GONE, '');
    }
  }

  /** Nothing more is told to other servers, or heard from them. */
  leave(): void {
    this.#fanout.leave();
  }

  /** A client of another server has changed a file. */
  #onChange({ file, birth, flags, name }: Change): void {
    for (const holder of this.files.of(this.files.keyOf(file))) {
      const isAnother = birth !== '' && holder.birth !== '' && birth !== holder.birth;
      if (!isAnother) holder.changed(flags, name);
    }
  }

  /** Anything may have been changed. */
  #onMissed(): void {
    for (const holder of this.files.all()) {
      const isDirectory = holder.file.type === S_IFDIR;
      const content = isDirectory ? CHANGED_LISTING : CHANGED_DATA;
      holder.changed(CHANGED_ATTRIBUTES | content, '');
    }
  }
}
