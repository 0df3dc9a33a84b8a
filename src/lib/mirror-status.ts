// What is told, from the store up to the page, of what is kept on two media.

export interface MirrorStatus {
  /** The side that reads come from. */
  readonly leader: string;
  readonly follower: string;
  /**
   * 'whole': both have everything, but for `behindBytes`. 'resilvering': the follower is being made
   * anew. 'degraded': only the leader is written; `reason` says why.
   */
  readonly state: 'whole' | 'resilvering' | 'degraded';
  readonly behindBytes: number;
  /** Of what is being made anew. */
  readonly copiedBytes: number;
  readonly reason: string | undefined;
}
