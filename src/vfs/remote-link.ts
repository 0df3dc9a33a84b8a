// RemoteLink: the link of a filesystem whose files a server has, as whoever looks after its mounts
// sees it. Mirrors what Linux's super_operations have of it (umount_begin) and adds what a person
// at a page wants to know.

/** How a link is, and what has gone through it. */
export interface RemoteStatus {
  /** 'failed': calls fail with EIO at once; it is tried again now and then, unless refused. */
  readonly state: 'connected' | 'reconnecting' | 'failed';
  /** Why it isn't connected, for people. */
  readonly reason: string | undefined;
  /** Of a round trip, smoothed. */
  readonly latencyMs: number | undefined;
  readonly cache: 'exclusive' | 'writethrough' | 'shared' | 'none';
  /**
   * Where locks keep others out. 'file': the server knows of one on each file, whoever here has it.
   * 'unknown': nobody has asked for any.
   */
  readonly locks: 'server' | 'file' | 'here' | 'unknown';
  readonly requestCount: number;
  /** Names, listings and reads for which nobody had to ask the server. */
  readonly savedCount: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly reconnectCount: number;
}

export interface RemoteLink {
  readonly status: RemoteStatus;
  /** Somebody looks at the status: the round trip is measured, unless that was done just now. */
  measure(): void;
  /** Connects at once, where it would wait with that. Does nothing while there is a link. */
  reconnectNow(): void;
  /**
   * Gives the link up: what waits for the server fails with EIO, and so does all that follows.
   * Linux: super_operations.umount_begin().
   */
  abort(): void;
}
