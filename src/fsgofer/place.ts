// Place: where a file of the host is, so that it is found again and nothing else is. Two ways:
//
// pinned-place.ts (Linux): by an O_PATH descriptor, which is the file whatever is renamed.
// path-place.ts (elsewhere): by the names that led there, looked at again with every call.

import type { Buffer } from 'node:buffer';
import type { Clock } from '../lib/clock.ts';
import type { Statx } from '../served/served-file.ts';
import type { FdBudget, FdSource, HostFd } from './host-fd.ts';
import type { HostCalls } from './host-calls.ts';
import type { HostName } from './host-name.ts';
import type { HostStatfs, Identity } from './host-stat.ts';

/** What all files of an export share. */
export interface Host {
  readonly clock: Clock;
  readonly budget: FdBudget;
  /** Those that Node lacks and this host has. */
  readonly calls: HostCalls;
}

export interface Placed {
  readonly place: Place;
  readonly stat: Statx;
}

/** Takes back what was done in what turned out to be the wrong place. */
export type Undo<T> = (value: T) => Promise<void>;

export interface Place {
  readonly host: Host;
  readonly identity: Identity;
  /**
   * A path of withPath() leads to the file however it is followed. Otherwise it must not be
   * followed at its end, where a symbolic link may have taken the file's place.
   */
  readonly isPinned: boolean;

  /**
   * Calls `work` with a path of the file, which is good until its promise is settled.
   * Errors: ESTALE if the file isn't there any more.
   */
  withPath<T>(work: (path: Buffer) => Promise<T>, undo?: Undo<T>): Promise<T>;

  /**
   * The same with the path of a name in the directory. It must not be followed.
   * Errors: those of a bad name, before anything is done; ESTALE.
   */
  withName<T>(name: HostName, work: (path: Buffer) => Promise<T>, undo?: Undo<T>): Promise<T>;

  /**
   * The same file once more, in another's name: what is found from there is paid for out of that
   * one's budget. Whoever calls closes the place. Errors: the budget's; ESTALE.
   */
  again(host: Host): Promise<Placed>;

  stat(): Promise<Statx>;

  statfs(): Promise<HostStatfs>;

  /** The target of the file, which is known to be a symbolic link. */
  readlink(): Promise<Buffer>;

  /**
   * One step down, from a directory. Whoever calls closes the place. A descriptor, if it takes one,
   * is paid for by `source`, or else the budget.
   * Errors: a bad name's; ENOENT; EACCES for a filesystem that isn't served; the budget's.
   */
  walk(name: HostName, source?: FdSource): Promise<Placed>;

  /** The place of a file that was made here, and is open. Whoever calls closes both. */
  adopt(name: HostName, fd: HostFd, source?: FdSource): Promise<Place>;

  /**
   * Opens the file, which is known to be a regular one. `flags` are the host's. `source` as in
   * walk().
   */
  open(flags: number, source?: FdSource): Promise<HostFd>;

  /** The file has got another name, which is what was asked for. */
  moved(parent: Place, name: HostName): void;

  /** Called once. */
  close(): Promise<void>;
}
