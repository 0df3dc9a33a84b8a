// Connection: what is known of one that was let in, for the log and the metrics.

import type { Clock } from '../lib/clock.ts';
import type { CloseInfo } from '../transport/transport.ts';
import type { ClosedConnection, GoferLog, Peer } from './log.ts';
import type { Meter } from './metered-transport.ts';
import type { GoferMetrics } from './metrics.ts';

export interface ConnectionOptions {
  readonly id: number;
  readonly peer: Peer;
  readonly clock: Clock;
  readonly log: GoferLog;
  readonly metrics: GoferMetrics | undefined;
}

export class Connection implements Meter {
  readonly #options: ConnectionOptions;
  readonly #startMs: number;
  #bytesIn = 0;
  #bytesOut = 0;
  #requests = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { id, peer, clock, log, metrics } = options;
    this.#startMs = clock.monotonicMs();
    metrics?.onAccept();
    log.info({ connection: id, ...peer }, 'connection opened');
  }

  /** Every message of a client's is a request. */
  onReceive(byteCount: number): void {
    this.#requests++;
    this.#bytesIn += byteCount;
    this.#options.metrics?.onReceive(byteCount);
  }

  onSend(byteCount: number): void {
    this.#bytesOut += byteCount;
    this.#options.metrics?.onSend(byteCount);
  }

  onClose({ code, reason }: CloseInfo): void {
    const { id, peer, clock, log } = this.#options;
    const closed: ClosedConnection = {
      connection: id,
      ...peer,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      requests: this.#requests,
      durationMs: Math.round(clock.monotonicMs() - this.#startMs),
      code,
      reason,
    };
    log.info(closed, 'connection closed');
  }
}
