// GoferMetrics: what a server counts, for Prometheus.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { errorFromErrno } from '../abi/errno.ts';
import type { DoneRequest, ServerObserver } from '../served/server-observer.ts';
import type { RefusalReason } from './refusal.ts';

/** What is there at the moment. */
export interface GaugeSource {
  readonly connectionCount: number;
  readonly sessionCount: number;
  readonly fdCount: number;
}

/** Seconds: a page's cache, a disk, and a network's filesystem that is slow. */
const DURATION_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

export class GoferMetrics implements ServerObserver {
  readonly #registry = new Registry();
  readonly #accepted = this.#counter('connections_total', 'Connections that were let in');
  readonly #refused = this.#counter('refused_total', 'Handshakes that were refused', ['reason']);
  readonly #received = this.#counter('received_bytes_total', 'Bytes of messages from clients');
  readonly #sent = this.#counter('sent_bytes_total', 'Bytes of messages to clients');
  readonly #requests = this.#counter('requests_total', 'Requests that were answered', [
    'message',
    'errno',
  ]);
  readonly #durations = new Histogram({
    name: 'burrowfs_gofer_request_duration_seconds',
    help: 'Time until the reply was there',
    labelNames: ['message'],
    buckets: DURATION_BUCKETS,
    registers: [this.#registry],
  });

  /** `source` is asked whenever somebody reads. Called once. */
  watch(source: GaugeSource): void {
    this.#gauge('connections', 'Connections that are open', () => source.connectionCount);
    this.#gauge('sessions', 'Sessions, with a connection or without', () => source.sessionCount);
    this.#gauge('open_fds', 'Descriptors of the host that are open', () => source.fdCount);
  }

  #counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    const registers = [this.#registry];
    return new Counter({ name: `burrowfs_gofer_${name}`, help, labelNames, registers });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `burrowfs_gofer_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  onRequest({ messageName, errno, durationMs }: DoneRequest): void {
    // Whatever number a client sends makes no new series.
    const message = messageName ?? 'unknown';
    this.#requests.inc({ message, errno: errno === 0 ? 'OK' : errorFromErrno(errno).code });
    this.#durations.observe({ message }, durationMs / 1000);
  }

  onAccept(): void {
    this.#accepted.inc();
  }

  onRefuse(reason: RefusalReason): void {
    this.#refused.inc({ reason });
  }

  onReceive(byteCount: number): void {
    this.#received.inc(byteCount);
  }

  onSend(byteCount: number): void {
    this.#sent.inc(byteCount);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In Prometheus' text format. */
  print(): Promise<string> {
    return this.#registry.metrics();
  }
}
