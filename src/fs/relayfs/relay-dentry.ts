// RelayDentry: a dentry of the holder's, as a client knows it. It is there while somebody refers to
// it, or to what lies beneath it: no name is remembered beyond that.

import { Dentry, type Place } from '../../vfs/dentry.ts';
import type { FileLocks } from '../../locks/file-locks.ts';
import type { Watches } from '../../vfs/watches.ts';
import { assert } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { WireDentry } from './messages.ts';

/** This tab's watches on files of the holder's. */
interface RelayDentryWatches {
  get(ino: number): Watches | undefined;
  ensure(dentry: RelayDentry): Watches;
  /** Waits until the holder has set what there is now. */
  set(): Op<void>;
}

/** What a dentry asks its filesystem. */
export interface RelayDentryOwner {
  readonly watches: RelayDentryWatches;
  mountsChanged(dentry: RelayDentry, change: 1 | -1): void;
  /** Nobody refers to it any more. */
  unused(dentry: RelayDentry): void;
}

export class RelayDentry extends Dentry {
  readonly handle: number;
  readonly ino: number;
  override readonly isDir: boolean;
  name: string;
  /** Held by a reference. */
  #parent: RelayDentry | undefined;
  /** How often the holder has mentioned it. */
  mentions = 0;
  /** It is not there any more since the holder has changed. */
  isLost = false;
  readonly #owner: RelayDentryOwner;

  constructor(owner: RelayDentryOwner, { handle, ino, isDir, name }: WireDentry) {
    super();
    this.#owner = owner;
    this.handle = handle;
    this.ino = ino;
    this.isDir = isDir;
    this.name = name;
  }

  get parent(): RelayDentry | undefined {
    return this.#parent;
  }

  set parent(parent: RelayDentry | undefined) {
    if (parent === this.#parent) return;
    const old = this.#parent;
    parent?.incRef();
    this.#parent = parent;
    old?.decRef();
  }

  override get place(): Place | undefined {
    const parent = this.#parent;
    return parent === undefined ? undefined : { parent, name: this.name };
  }

  /** From the filesystem's root, without a slash in front. */
  get path(): string {
    const names: string[] = [];
    for (let at = this.place; at !== undefined; at = at.parent.place) names.unshift(at.name);
    return names.join('/');
  }

  override get watches(): Watches | undefined {
    return this.#owner.watches.get(this.ino);
  }

  override ensureWatches(): Watches {
    return this.#owner.watches.ensure(this);
  }

  /** What others do after inotify_add_watch(2) has returned may be on its way to the holder. */
  override watchSet(): Op<void> {
    return this.#owner.watches.set();
  }

  /** They are the holder's: relay-file-description.ts. */
  override get locks(): FileLocks | undefined {
    return undefined;
  }

  override ensureLocks(): FileLocks {
    assert(false, 'locks of a relayed file are the holder’s');
  }

  override countMount(change: 1 | -1): void {
    super.countMount(change);
    this.#owner.mountsChanged(this, change);
  }

  protected override onFirstRef(): void {
    // Its handle counts already.
  }

  protected override onZeroRefs(): void {
    this.#owner.unused(this);
    this.parent = undefined;
  }
}
