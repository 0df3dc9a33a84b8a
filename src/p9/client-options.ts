// What a client is told by whoever uses it, and what it tells.

import type { Clock } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import type { LinkStatus } from '../lisafs/client-options.ts';
import type { Reply } from '../lisafs/client-request.ts';
import type { Transport } from '../transport/transport.ts';
import type { MessageName, RMessage, TMessage } from './messages.ts';

/** Sends requests that don't wait until a new session is ready to be used. */
export interface RestoringCalls {
  /** The root, attached anew with the fid it had. */
  readonly root: number;
  send<Name extends MessageName>(name: Name, values: TMessage<Name>): Reply<RMessage<Name>>;
  call<Name extends MessageName>(name: Name, values: TMessage<Name>): Op<RMessage<Name>>;
}

export interface P9ClientOptions {
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
  /** What is attached to: which tree a server means by it is its own affair. */
  readonly aname: string;
  /** The latest of gVisor's versions to ask for: 0 is plain 9P2000.L. */
  readonly versionMax: number;
  /** Most bytes of a message; servers may want less. */
  readonly msize: number;
  /**
   * A link was lost, and with it all fids. Walks to files again, with the fids they had, before any
   * other call is sent. If it fails, it is called again with another link.
   */
  readonly onSessionLost: (calls: RestoringCalls) => Op<void>;
  readonly onStatus?: (status: LinkStatus) => void;
  /** At least 0, less than 1: so that clients don't come back all at the same time. */
  readonly random?: () => number;
}
