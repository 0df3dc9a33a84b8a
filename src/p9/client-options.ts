// What a client is told by whoever uses it, and what it tells.

import type { Op } from '../lib/op.ts';
import type { ConnectionOptions } from '../link/connection.ts';
import type { Reply } from '../link/reply.ts';
import type { MessageName, RMessage, TMessage } from './messages.ts';

/** Sends requests that don't wait until a new session is ready to be used. */
export interface RestoringCalls {
  /** The root, attached anew with the fid it had. */
  readonly root: number;
  send<Name extends MessageName>(name: Name, values: TMessage<Name>): Reply<RMessage<Name>>;
  call<Name extends MessageName>(name: Name, values: TMessage<Name>): Op<RMessage<Name>>;
}

export interface P9ClientOptions extends ConnectionOptions {
  /** What is attached to: which tree a server means by it is its own affair. */
  readonly aname: string;
  /** The latest of gVisor's versions to ask for: 0 is plain 9P2000.L. */
  readonly versionMax: number;
  /** Most bytes of a message; servers may want less. */
  readonly msize: number;
  /**
   * Nobody else changes anything: what says how a file is to be may be said again by the next link
   * if the answer was lost.
   */
  readonly isAlone: boolean;
  /**
   * A link was lost, and with it all fids. Walks to files again, with the fids they had, before any
   * other call is sent. If it fails, it is called again with another link.
   */
  readonly onSessionLost: (calls: RestoringCalls) => Op<void>;
}
