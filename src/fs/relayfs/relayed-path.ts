// RelayedPath: a path of a client's that the holder resolves. The client's mounts and root are its
// own affair, so the resolution stops where they might matter: at a symlink, at "..", and on what
// the client has mounted something on.

import { Credentials } from '../../auth/credentials.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import type { Mount, MountFlags } from '../../vfs/mount.ts';
import { type MountLookup, ResolvingPath } from '../../vfs/resolving-path.ts';
import type { Stop, WireCredentials, WirePath } from './messages.ts';

/** A signal, not an error: the client goes on with the path. */
export class Stopped extends Error {
  readonly reason: Stop['reason'];
  readonly at: Dentry;
  readonly target: string;

  constructor(reason: Stop['reason'], at: Dentry, target = '') {
    super('the resolution goes on at the client');
    this.reason = reason;
    this.at = at;
    this.target = target;
  }
}

const NO_MOUNTS: MountLookup = { mountAt: () => undefined, pathOf: () => undefined };

export class RelayedPath extends ResolvingPath {
  /** Components that have been consumed. */
  consumed = 0;
  readonly #isMountPoint: (dentry: Dentry) => boolean;

  constructor(
    path: WirePath,
    place: {
      readonly mount: Mount;
      readonly start: Dentry;
      readonly isMountPoint: (dentry: Dentry) => boolean;
    },
  ) {
    const { mount, start, isMountPoint } = place;
    super(NO_MOUNTS, credentialsOf(path.creds), {
      root: { mount, dentry: mount.root },
      start: { mount, dentry: start },
      path: path.path,
      followFinalSymlink: path.followsFinalSymlink,
      mayBeEmpty: true,
    });
    this.#isMountPoint = isMountPoint;
    this.mustBeDir = path.mustBeDir;
    // The first component was looked for, not consumed.
    this.consumed = 0;
  }

  override advance(): void {
    super.advance();
    this.consumed++;
  }

  override followSymlink(target: string): void {
    throw new Stopped('symlink', this.start, target);
  }

  override isRoot(dentry: Dentry): boolean {
    throw new Stopped('dotdot', dentry);
  }

  override enterMount(dentry: Dentry): void {
    if (this.#isMountPoint(dentry)) throw new Stopped('mount', dentry);
  }
}

export function credentialsOf({ uid, gid, groups }: WireCredentials): Credentials {
  return new Credentials(uid, gid, groups);
}

export function wireCredentials({ uid, gid, groups }: Credentials): WireCredentials {
  return { uid, gid, groups: [...groups] };
}

const FLAGS = ['readOnly', 'noatime', 'nodev', 'noexec', 'nosuid'] as const;

/** The flags of a mount as a set of bits. */
export function encodeMountFlags(flags: MountFlags): number {
  return FLAGS.reduce((bits, name, i) => (flags[name] === true ? bits | (1 << i) : bits), 0);
}

export function decodeMountFlags(bits: number): MountFlags {
  const entries = FLAGS.map((name, i) => [name, (bits & (1 << i)) !== 0]);
  return Object.fromEntries(entries) as MountFlags;
}
