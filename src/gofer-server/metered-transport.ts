// MeteredTransport: a transport that counts what goes through it.

import type { Wait } from '../lib/op.ts';
import type { CloseInfo, Receiver, Transport } from '../transport/transport.ts';

export interface Meter {
  onReceive(byteCount: number): void;
  onSend(byteCount: number): void;
  onClose(info: CloseInfo): void;
}

export class MeteredTransport implements Transport {
  readonly #transport: Transport;
  readonly #meter: Meter;

  constructor(transport: Transport, meter: Meter) {
    this.#transport = transport;
    this.#meter = meter;
  }

  get protocol(): string {
    return this.#transport.protocol;
  }

  get messageSizeMax(): number {
    return this.#transport.messageSizeMax;
  }

  get isOpen(): boolean {
    return this.#transport.isOpen;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  get drained(): Wait {
    return this.#transport.drained;
  }

  start(receiver: Receiver): void {
    const meter = this.#meter;
    this.#transport.start({
      onMessage: (message) => {
        meter.onReceive(message.length);
        receiver.onMessage(message);
      },
      onClose: (info) => {
        meter.onClose(info);
        receiver.onClose(info);
      },
    });
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  send(message: Uint8Array, onSent?: () => void): void {
    const { isOpen } = this.#transport;
    this.#transport.send(message, onSent);
    if (isOpen) this.#meter.onSend(message.length);
  }

  close(code?: number, reason?: string): void {
    this.#transport.close(code, reason);
  }
}
