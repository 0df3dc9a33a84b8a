// The mount options of a gofer: part of the public API.

/** With gVisor's names. */
export interface GoferOptions {
  /**
   * The protocol: 'lisafs', or '9P2000.L' with those of gVisor's extensions that the server has;
   * '9P2000.L.Google.N' with none after N. Default: 'lisafs'.
   */
  readonly version?: string;
  /** Most bytes of a 9P message; the server may want less. Default: 1 MiB, which is the most. */
  readonly msize?: number;
  /** Absolute path in what the server serves; `..` in it is taken away as text. Default: '/'. */
  readonly aname?: string;
  /**
   * Who else changes the files, and so what is remembered of them. Default: 'exclusive'.
   *  - exclusive: nobody. What is written is sent some time later; fsync and sync() wait for it.
   *  - writethrough: others read. Each change is at the server when the call returns.
   *  - shared, none: others write. What is remembered is looked at again each time.
   * gVisor's names of the same are fscache, fscache_writethrough, remote_revalidating, none.
   */
  readonly cache?: string;
  /** Names in memory that nobody uses. Default: 16,384. */
  readonly dentry_cache_limit?: number;
  /**
   * Data of files goes through the page cache whatever descriptors of the host there are. There are
   * none here, so it does anyway, but with cache 'none': true is an error there. Default: false.
   */
  readonly force_page_cache?: boolean;
  /** Bytes of data in memory. Default: 64 MiB. */
  readonly cacheSize?: number;
  /** Bytes that are written and not at the server; who writes more waits. Default: 16 MiB. */
  readonly dirtyLimit?: number;
  /** Owner and group of files that have none at the server. Default: 65534. */
  readonly dfltuid?: number;
  readonly dfltgid?: number;
  /** Milliseconds that calls wait for a link that is gone, before EIO. Default: 60,000. */
  readonly timeout?: number;
  /**
   * The server's token, if it isn't part of `source`. A function is called each time a link is
   * opened: tokens may change.
   */
  readonly token?: string | (() => string | Promise<string>);
}
