// ResolvingPath: the state of a path's resolution, handed from mount to mount.
// Mirrors gVisor pkg/sentry/vfs/resolving_path.go; Linux: struct nameidata.
//
// The filesystem of the current mount takes components one at a time. Where the resolution leaves
// that filesystem (a mount point, ".." out of a mount, an absolute symlink) the ResolvingPath moves
// itself to the new place and throws RESOLVE_ELSEWHERE, which makes the VFS call the filesystem of
// the new place.

import { linuxerr } from '../abi/errno.ts';
import { MAX_SYMLINK_TRAVERSALS, PATH_MAX } from '../abi/limits.ts';
import type { Credentials } from '../auth/credentials.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Dentry, VirtualDentry } from './dentry.ts';
import type { Mount } from './mount.ts';

/**
 * A signal, not an error: goes on in the ResolvingPath's new mount. Caught by VirtualFilesystem
 * only.
 */
const RESOLVE_ELSEWHERE: Error = Object.freeze(new Error('resolution goes on elsewhere'));

/**
 * What a caller gives to resolve. References on `root` and `start` are the caller's, for the time
 * of the call.
 */
export interface PathOperation {
  readonly root: VirtualDentry;
  readonly start: VirtualDentry;
  readonly path: string;
  readonly followFinalSymlink: boolean;
  /** The resolution may not leave `start`: ENOTCAPABLE. */
  readonly isBeneath?: boolean;
  /** An empty path names `start` itself (AT_EMPTY_PATH) instead of being ENOENT. */
  readonly mayBeEmpty?: boolean;
}

export interface MountLookup {
  /** The topmost mount on a mount point, or undefined. */
  mountAt(mount: Mount, dentry: Dentry): Mount | undefined;
  /** The path of `vd` as seen from `root`: "/" for itself, undefined if it isn't below. */
  pathOf(vd: VirtualDentry, root: VirtualDentry): string | undefined;
}

interface Remainder {
  readonly text: string;
  readonly position: number;
}

export class ResolvingPath {
  readonly creds: Credentials;
  /** The mount the resolution is in. */
  mount: Mount;
  /** Where the rest of the path starts from. */
  start: Dentry;
  /** The current component; empty when all have been consumed. */
  component = '';
  mustBeDir: boolean;
  readonly #mounts: MountLookup;
  readonly #operation: PathOperation;
  readonly #followFinal: boolean;
  #symlinkCount = 0;
  #hasMoved = false;
  #text: string;
  /** Where the component after the current one is looked for. */
  #position = 0;
  /** Rests of paths interrupted by symlinks; each has at least one component. */
  #pending: Remainder[] | undefined;

  constructor(mounts: MountLookup, creds: Credentials, operation: PathOperation) {
    const { path } = operation;
    this.creds = creds;
    this.#mounts = mounts;
    this.#operation = operation;
    this.#followFinal = operation.followFinalSymlink;
    this.#text = path;
    const isAbsolute = path.charCodeAt(0) === SLASH;
    if (isAbsolute && operation.isBeneath === true) throw linuxerr.ENOTCAPABLE;
    const start = isAbsolute ? operation.root : operation.start;
    this.mount = start.mount;
    this.start = start.dentry;
    this.mustBeDir = path.charCodeAt(path.length - 1) === SLASH;
    this.advance();
  }

  get isDone(): boolean {
    return this.component === '';
  }

  /** Is the current component the last one? */
  get isFinal(): boolean {
    return this.#pending === undefined && skipSlashes(this.#text, this.#position) < 0;
  }

  get root(): VirtualDentry {
    return this.#operation.root;
  }

  /** Is a symlink at the end of the path to be followed, even without a slash behind it? */
  get followsFinalSymlink(): boolean {
    return this.#followFinal;
  }

  /**
   * The current component and all behind it, for a filesystem that resolves them elsewhere; empty
   * if isDone. Whether it mustBeDir is not said.
   */
  get rest(): string {
    let text = this.component + this.#text.slice(this.#position);
    for (const { text: outer, position } of this.#pending?.toReversed() ?? []) {
      text += `/${outer.slice(position)}`;
    }
    return this.isDone ? '' : text;
  }

  #goElsewhere(): never {
    this.#hasMoved = true;
    throw RESOLVE_ELSEWHERE;
  }

  /** Has RESOLVE_ELSEWHERE been thrown since this was asked last? */
  takeMove(): boolean {
    const hasMoved = this.#hasMoved;
    this.#hasMoved = false;
    return hasMoved;
  }

  /** Returns what puts it back to where it is now, within one mount. */
  mark(): () => void {
    const { mount, start, component, mustBeDir } = this;
    const symlinkCount = this.#symlinkCount;
    const text = this.#text;
    const position = this.#position;
    const pending = this.#pending?.slice();
    return () => {
      this.mount = mount;
      this.start = start;
      this.component = component;
      this.mustBeDir = mustBeDir;
      this.#symlinkCount = symlinkCount;
      this.#text = text;
      this.#position = position;
      this.#pending = pending;
    };
  }

  /** Consumes the current component. */
  advance(): void {
    for (;;) {
      const from = skipSlashes(this.#text, this.#position);
      if (from >= 0) {
        const slash = this.#text.indexOf('/', from);
        const to = slash < 0 ? this.#text.length : slash;
        this.component = this.#text.slice(from, to);
        this.#position = to;
        return;
      }
      const rest = this.#pending?.pop();
      if (rest === undefined) {
        this.component = '';
        return;
      }
      if (this.#pending?.length === 0) this.#pending = undefined;
      this.#text = rest.text;
      this.#position = rest.position;
    }
  }

  /** Is a symlink met at the current component to be followed? A trailing slash forces it. */
  get mayFollowSymlink(): boolean {
    return this.#followFinal || this.mustBeDir || !this.isFinal;
  }

  /**
   * Replaces the current component, a symlink, by its target.
   *
   * Errors:
   *  - ELOOP after 40 symlinks in all.
   *  - ENOENT if the target is empty.
   *  - ENOTCAPABLE if the target is absolute and the resolution must stay beneath its start.
   *  - RESOLVE_ELSEWHERE if the target is absolute.
   */
  followSymlink(target: string): void {
    if (this.#symlinkCount >= MAX_SYMLINK_TRAVERSALS) throw linuxerr.ELOOP;
    this.#symlinkCount++;
    if (target === '') throw linuxerr.ENOENT;
    if (this.isFinal) {
      if (target.charCodeAt(target.length - 1) === SLASH) this.mustBeDir = true;
    } else if (skipSlashes(this.#text, this.#position) >= 0) {
      (this.#pending ??= []).push({ text: this.#text, position: this.#position });
    }
    this.#text = target;
    this.#position = 0;
    this.advance();
    if (target.charCodeAt(0) !== SLASH) return;
    if (this.#operation.isBeneath === true) throw linuxerr.ENOTCAPABLE;
    this.mount = this.root.mount;
    this.start = this.root.dentry;
    this.#goElsewhere();
  }

  /**
   * Call before resolving ".." from `dentry`. True: stay where you are (the root). False: go to the
   * parent.
   *
   * Errors:
   *  - ENOTCAPABLE if the resolution must stay beneath its start and `dentry` is the start, or not
   *    below it any more.
   *  - RESOLVE_ELSEWHERE if `dentry` is a mount's root: the component is not consumed.
   */
  isRoot(dentry: Dentry): boolean {
    const { root, start, isBeneath } = this.#operation;
    if (isBeneath === true) {
      const path = this.#mounts.pathOf({ mount: this.mount, dentry }, start);
      // Nor may it be somewhere else by now: moved while the resolution waited (Linux:
      // fs/namei.c path_is_under()).
      if (path === undefined || path === '/') throw linuxerr.ENOTCAPABLE;
    }
    if (dentry === root.dentry && this.mount === root.mount) return true;
    if (dentry !== this.mount.root) return false;
    const { point } = this.mount;
    if (point === undefined) return true;
    this.mount = point.mount;
    this.start = point.dentry;
    this.#goElsewhere();
  }

  /**
   * Call on reaching a dentry with mounts on it, before consuming the component.
   *
   * Errors:
   *  - RESOLVE_ELSEWHERE if one of them is in this mount: the component has been consumed.
   */
  enterMount(dentry: Dentry): void {
    const mount = this.#mounts.mountAt(this.mount, dentry);
    if (mount === undefined) return;
    this.advance();
    this.mount = mount;
    this.start = mount.root;
    this.#goElsewhere();
  }
}

const SLASH = 0x2f;

/** The next position that isn't a slash, or -1 at the end. */
function skipSlashes(text: string, from: number): number {
  for (let position = from; position < text.length; position++) {
    if (text.charCodeAt(position) !== SLASH) return position;
  }
  return -1;
}

/**
 * Checks a path's text as the system call layer does before anything else.
 *
 * Errors:
 *  - ENAMETOOLONG from PATH_MAX bytes on (the NUL counts).
 *  - EINVAL if it contains a NUL.
 *  - EILSEQ if it isn't well-formed Unicode: it could not be written as UTF-8.
 */
export function checkPathText(path: string): void {
  if (isLongerThan(path, PATH_MAX - 1)) throw linuxerr.ENAMETOOLONG;
  if (path.includes('\0')) throw linuxerr.EINVAL;
  if (!path.isWellFormed()) throw linuxerr.EILSEQ;
}
