// What a client is told by whoever uses it, and what it tells.

import type { Clock } from '../lib/clock.ts';
import type { Transport } from '../transport/transport.ts';
import type { Push } from './client-calls.ts';
import type { Recover } from './client-recovery.ts';

export interface LisafsClientOptions {
  /**
   * Opens a new link; called again whenever the old one is gone. Rejects with a LinuxError, or a
   * ConnectError that also says it in words. EACCES (the token is refused) is final, but with
   * `newToken`; others are tried again.
   */
  readonly connect: () => Promise<Transport>;
  /** The next link may come with another token: one that was refused is no reason to give up. */
  readonly newToken?: boolean;
  readonly clock: Clock;
  /** How long calls wait for a link before they fail with EIO, in milliseconds. */
  readonly timeoutMs: number;
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
  readonly onStatus?: (status: LinkStatus) => void;
  /** At least 0, less than 1: so that clients don't come back all at the same time. */
  readonly random?: () => number;
}

export interface LinkStatus {
  readonly state: 'connecting' | 'connected' | 'reconnecting' | 'failed' | 'closed';
  /** Why it isn't connected, for people. */
  readonly reason: string | undefined;
  /** Of a round trip, smoothed. */
  readonly latencyMs: number | undefined;
  readonly requestCount: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly reconnectCount: number;
}
