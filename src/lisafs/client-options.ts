// What a client is told by whoever uses it, and what it tells.

import type { ConnectionOptions } from '../link/connection.ts';
import type { Push } from './client-calls.ts';
import type { Recover } from './client-recovery.ts';

export interface LisafsClientOptions extends ConnectionOptions {
  /** Where in the served tree; '/' for its root. */
  readonly attach: string;
  /**
   * What the server pushes. In order with onSettled() of replies; before anything that waits for
   * one goes on.
   */
  readonly onPush: (...push: Push) => void;
  /**
   * The session is lost, as when the server was started anew: FD ids mean nothing any more. Runs
   * before any other call is sent again. If it fails, it is called again with another session.
   */
  readonly onSessionLost: Recover;
}
