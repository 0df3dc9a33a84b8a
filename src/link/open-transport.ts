// Opening a link, with an end to the waiting, whatever it is that opens it.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, WaitQueue } from '../lib/op.ts';
import type { Transport } from '../transport/transport.ts';
import { GoferUrlError } from '../transport/gofer-url.ts';
import { ConnectError } from '../transport/web-socket.ts';

/** Why there is no link, or no session. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
  readonly error: LinuxError;

  /** `message` is for people. */
  constructor(error: LinuxError, message: string) {
    super(message);
    this.error = error;
  }
}

export interface OpenOptions {
  readonly connect: () => Promise<Transport>;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** A link that comes too late is closed. Errors: LinkError. */
export function* openTransport({ connect, clock, timeoutMs }: OpenOptions): Op<Transport> {
  const changed = new WaitQueue();
  let opened: Transport | undefined;
  let problem: LinkError | undefined;
  let isOver = false;
  const fail = (error: LinkError): void => {
    problem ??= error;
    changed.wakeAll();
  };
  const cancelTimer = clock.setTimer(timeoutMs, () => {
    fail(new LinkError(linuxerr.ETIMEDOUT, 'the server could not be reached in time'));
  });
  // So that one which throws is like one that rejects.
  void Promise.resolve()
    .then(connect)
    .then(
      (transport) => {
        if (isOver) transport.close();
        else opened = transport;
        changed.wakeAll();
      },
      (error: unknown) => {
        fail(linkErrorOf(error));
      },
    );
  try {
    while (opened === undefined && problem === undefined) yield changed;
    if (opened === undefined) throw assertDefined(problem);
    return opened;
  } catch (error) {
    opened?.close();
    throw error;
  } finally {
    isOver = true;
    cancelTimer();
  }
}

function linkErrorOf(error: unknown): LinkError {
  if (error instanceof LinuxError) return new LinkError(error, error.meaning);
  const isKnown = error instanceof ConnectError || error instanceof GoferUrlError;
  if (isKnown) return new LinkError(error.error, error.message);
  return new LinkError(linuxerr.EIO, error instanceof Error ? error.message : String(error));
}
