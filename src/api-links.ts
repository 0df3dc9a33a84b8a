// The public API's types: how the links to remote filesystems are, and what to do about one.

/** How the link of a gofer to its server is, for a user interface. */
export interface LinkState {
  /**
   * 'reconnecting': calls wait for it. 'failed': they have waited for long enough, or the server
   * refuses the token, and fail with EIO at once.
   */
  readonly state: 'connected' | 'reconnecting' | 'failed';
  /** Why it isn't connected, in words; or null. */
  readonly reason: string | null;
  /** Milliseconds of a round trip, smoothed; null: not measured yet. */
  readonly latency: number | null;
  /** The cache mode of the mount. */
  readonly cache: 'exclusive' | 'writethrough' | 'shared' | 'none';
  /**
   * Whom locks keep out. 'server': all its clients. 'file': them too, but from all of a file, as
   * the server knows no parts of it. 'here': nobody but this kernel's processes, as in exclusive
   * mode, and with a server that has no locks. 'unknown': 9P doesn't say, and none was asked for
   * yet.
   */
  readonly locks: 'server' | 'file' | 'here' | 'unknown';
  /** Requests sent since the mount. */
  readonly requests: number;
  /** Names, listings and reads for which none had to be sent, as memory had the answer. */
  readonly requestsSaved: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** How often the link was made anew. */
  readonly reconnects: number;
}

export interface LinkChange {
  /** Of the mount, without its token. */
  readonly source: string;
  readonly link: LinkState;
}

export interface UmountOptions {
  /**
   * As umount -f: what waits for the server of a gofer fails with EIO, what was written and isn't
   * there yet is lost, and files that are open are no obstacle. Default: false.
   */
  readonly force?: boolean;
}

export interface Links {
  /**
   * Has the broken link of the gofer that is mounted at `path` made anew now. Resolves at once:
   * `mounts()` says what comes of it. Rejects with EINVAL if none is mounted there.
   */
  reconnect(path: string): Promise<void>;
}
