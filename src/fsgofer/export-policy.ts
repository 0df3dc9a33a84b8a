// ExportPolicy: what clients may do with what is served, whatever the host would let the gofer do.

import * as process from 'node:process';
import { type LinuxError, linuxerr } from '../abi/errno.ts';
import { RENAME_WHITEOUT } from '../abi/fcntl.ts';
import {
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_PERMISSIONS,
} from '../abi/stat.ts';
import { type Creation, NO_ID, type Statx } from '../served/served-file.ts';
import type { CreateOptions, Owner } from './create.ts';
import type { HostFile } from './host-file.ts';
import { IdMap, type IdRange } from './id-map.ts';
import type { HostSetAttr } from './set-attributes.ts';

export interface ExportRules {
  /** Nothing is changed (EROFS). */
  readonly isReadOnly?: boolean;
  /**
   * Clients may set the set-user-ID and set-group-ID bits of files. Otherwise they are left out of
   * what a client sets, and a file loses them when a client opens it to write.
   */
  readonly allowsSetId?: boolean;
  /** How names of extended attributes begin that there are for clients. */
  readonly xattrPrefixes?: readonly string[];
  /** What mknod makes, S_IFMT bits. S_IFCHR stands for whiteouts: nobody makes devices. */
  readonly nodeTypes?: readonly number[];
  /** The gofer may give files away. Without it, whether it runs as root now. */
  readonly isRoot?: boolean;
  /** Clients' ids of users and groups, and the host's they stand for. None: all, as they are. */
  readonly idRanges?: readonly IdRange[];
}

const NODE_TYPES = [S_IFREG, S_IFIFO, S_IFSOCK];
const XATTR_PREFIXES = ['user.'];
const SET_ID = S_ISUID | S_ISGID;

export class ExportPolicy {
  readonly #rules: Required<ExportRules>;
  readonly #ids: IdMap;

  /** Errors: EINVAL for ranges that overlap. */
  constructor(rules: ExportRules = {}) {
    this.#rules = {
      isReadOnly: false,
      allowsSetId: false,
      xattrPrefixes: XATTR_PREFIXES,
      nodeTypes: NODE_TYPES,
      isRoot: process.geteuid?.() === 0,
      idRanges: [],
      ...rules,
    };
    this.#ids = new IdMap(this.#rules.idRanges);
  }

  get nodeTypes(): readonly number[] {
    return this.#rules.nodeTypes;
  }

  /** Errors: EROFS. */
  checkChange(): void {
    if (this.#rules.isReadOnly) throw linuxerr.EROFS;
  }

  /** The permissions a client may give a file of that type. */
  permissions(type: number, mode: number): number {
    // A directory's bit says whose group is inherited, and gives nobody any right.
    const setId = type === S_IFDIR ? S_ISUID : SET_ID;
    return mode & S_PERMISSIONS & (this.#rules.allowsSetId ? S_PERMISSIONS : ~setId);
  }

  /**
   * Anybody but root owns what it makes.
   * Errors: EOVERFLOW for an id that stands for none. Linux: fs/namei.c may_create().
   */
  owner({ uid, gid }: Omit<Creation, 'mode'>): Owner {
    if (!this.#rules.isRoot) return {};
    return this.#hostIds({ uid, gid }, linuxerr.EOVERFLOW);
  }

  /** Whom a client gives a file to. Errors: EINVAL. Linux: fs/open.c chown_common(). */
  newOwner<Change extends HostSetAttr>(change: Change): Change {
    return { ...change, ...this.#hostIds(change, linuxerr.EINVAL) };
  }

  #hostIds({ uid = NO_ID, gid = NO_ID }: Owner, error: LinuxError): Owner {
    const toServer = (id: number): number => {
      const hostId = this.#ids.toServer(id);
      if (hostId === undefined) throw error;
      return hostId;
    };
    return {
      ...(uid !== NO_ID && { uid: toServer(uid) }),
      ...(gid !== NO_ID && { gid: toServer(gid) }),
    };
  }

  /** Attributes as clients see them. */
  shown(statx: Statx): Statx {
    if (this.#rules.idRanges.length === 0) return statx;
    const { uid, gid } = statx;
    return { ...statx, uid: this.#ids.toClient(uid), gid: this.#ids.toClient(gid) };
  }

  creation(type: number, values: Creation): CreateOptions {
    return { mode: this.permissions(type, values.mode), ...this.owner(values) };
  }

  /** Returns the type. Errors: EPERM if clients don't make such. */
  checkNode(mode: number): number {
    const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
    if (!this.nodeTypes.includes(type)) throw linuxerr.EPERM;
    return type;
  }

  /** Errors: EINVAL, as a filesystem without whiteouts says. */
  checkRename(flags: number): void {
    const makesWhiteout = (flags & RENAME_WHITEOUT) !== 0;
    if (makesWhiteout && !this.nodeTypes.includes(S_IFCHR)) throw linuxerr.EINVAL;
  }

  /** Is an extended attribute of that name one for clients? */
  hasXattr(name: string): boolean {
    return this.#rules.xattrPrefixes.some((prefix) => name.startsWith(prefix));
  }

  /** Errors: EOPNOTSUPP, as a filesystem without attributes of that kind says. */
  checkXattr(name: string): void {
    if (!this.hasXattr(name)) throw linuxerr.EOPNOTSUPP;
  }

  /**
   * Before a client writes: what it writes must not be run with another's rights. Unless root
   * writes, Linux sees to it. Errors: chmod(2)'s.
   */
  async dropSetId(file: HostFile): Promise<void> {
    const { allowsSetId, isRoot } = this.#rules;
    if (allowsSetId || !isRoot || file.type !== S_IFREG) return;
    const { mode } = await file.stat();
    if ((mode & SET_ID) === 0) return;
    const { error } = await file.setAttributes({ mode: mode & S_PERMISSIONS & ~SET_ID });
    if (error !== undefined) throw error;
  }
}
