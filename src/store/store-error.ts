// Why a store can't be opened, in words for a user.

export type StoreErrorReason =
  /**
   * The database holds something that this version of Burrow doesn't read. It was left as it is.
   */
  | 'unknown-format'
  /** Another tab or worker has the store open. */
  | 'locked'
  /** The browser lost the database. */
  | 'data-loss'
  /** What is stored was changed by something else than Burrow, or by a fault of the disk. */
  | 'damaged'
  /** Two copies of the store were changed apart from each other. */
  | 'diverged'
  /** The browser offers no storage, or refused. */
  | 'unavailable';

/** Opening a store failed. The message says what was found and what to do about it. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: StoreErrorReason;

  constructor(reason: StoreErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
