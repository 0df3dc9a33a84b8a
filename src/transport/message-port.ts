// MessagePortTransport: a link to another thread or tab over a MessagePort.
//
// What is on the port: a message is an ArrayBuffer, which is transferred; a number says how many
// bytes the other side has taken out, since a port doesn't tell what is still in it (a side that
// is paused takes nothing out); an object closes the link. A port whose other side is gone is
// closed by the platform, sooner or later.

import { linuxerr } from '../abi/errno.ts';
import { type Wait, WaitQueue } from '../lib/op.ts';
import { Inbox } from './inbox.ts';
import {
  assertMayClose,
  BUFFERED_BYTES_MAX,
  CLOSE_ABNORMAL,
  CLOSE_NORMAL,
  CLOSE_NOT_BINARY,
  CLOSE_TOO_LARGE,
  type Receiver,
  type Transport,
} from './transport.ts';

export interface MessagePortOptions {
  readonly messageSizeMax: number;
  /** What the two sides have agreed on by other means. */
  readonly protocol?: string;
}

interface Closing {
  readonly code: number;
  readonly reason: string;
}

export class MessagePortTransport implements Transport {
  readonly protocol: string;
  readonly messageSizeMax: number;
  readonly #port: MessagePort;
  readonly #inbox = new Inbox();
  readonly #drained = new WaitQueue();
  #bufferedBytes = 0;
  /** Came while it was paused: the other side isn't told yet. */
  #untoldBytes = 0;

  /** The port is the transport's from here on. */
  constructor(port: MessagePort, options: MessagePortOptions) {
    this.protocol = options.protocol ?? 'lisafs';
    this.messageSizeMax = options.messageSizeMax;
    this.#port = port;
    port.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      this.#take(data);
    });
    // Node and Chromium tell; elsewhere silence is all there is.
    port.addEventListener('close', () => {
      this.#onClosed({ code: CLOSE_ABNORMAL, reason: 'the other side is gone' });
    });
    port.start();
  }

  get isOpen(): boolean {
    return !this.#inbox.isClosed;
  }

  get bufferedBytes(): number {
    return this.isOpen ? this.#bufferedBytes : 0;
  }

  get drained(): Wait {
    return this.#drained;
  }

  start(receiver: Receiver): void {
    this.#inbox.start(receiver);
  }

  pause(): void {
    if (this.isOpen) this.#inbox.pause();
  }

  resume(): void {
    if (!this.#inbox.isPaused) return;
    this.#inbox.resume();
    if (this.isOpen && this.#untoldBytes > 0) this.#port.postMessage(this.#untoldBytes);
    this.#untoldBytes = 0;
  }

  send(message: Uint8Array): void {
    if (message.length > this.messageSizeMax) throw linuxerr.EMSGSIZE;
    if (!this.isOpen) return;
    this.#bufferedBytes += message.length;
    // Cloned, a view would take all of its buffer along.
    const copy = new Uint8Array(message).buffer;
    this.#port.postMessage(copy, [copy]);
  }

  close(code: number = CLOSE_NORMAL, reason = ''): void {
    assertMayClose(code, reason);
    this.#close({ code, reason });
  }

  #close({ code, reason }: Closing): void {
    if (!this.isOpen) return;
    this.#port.postMessage({ code, reason } satisfies Closing);
    this.#port.close();
    this.#inbox.close({ code, reason, isLocal: true });
    this.#drained.wakeAll();
  }

  #onClosed({ code, reason }: Closing): void {
    if (!this.isOpen) return;
    this.#port.close();
    this.#inbox.close({ code, reason, isLocal: false });
    this.#drained.wakeAll();
  }

  #take(data: unknown): void {
    if (!this.isOpen) return;
    if (data instanceof ArrayBuffer) this.#takeMessage(new Uint8Array(data));
    else if (typeof data === 'number') this.#takeReceipt(data);
    else if (isClosing(data)) this.#onClosed(data);
    else this.#close({ code: CLOSE_NOT_BINARY, reason: 'a message is no ArrayBuffer' });
  }

  #takeMessage(message: Uint8Array): void {
    if (message.length > this.messageSizeMax) {
      this.#close({ code: CLOSE_TOO_LARGE, reason: `a message has ${message.length} bytes` });
      return;
    }
    if (this.#inbox.isPaused) this.#untoldBytes += message.length;
    else this.#port.postMessage(message.length);
    this.#inbox.deliver(message);
  }

  #takeReceipt(byteCount: number): void {
    // Whatever the other side says, the count stays one.
    const left = this.#bufferedBytes - byteCount;
    this.#bufferedBytes = left >= 0 && left <= this.#bufferedBytes ? left : 0;
    if (this.#bufferedBytes <= BUFFERED_BYTES_MAX) this.#drained.wakeAll();
  }
}

function isClosing(data: unknown): data is Closing {
  if (typeof data !== 'object' || data === null) return false;
  const { code, reason } = data as Record<keyof Closing, unknown>;
  return typeof code === 'number' && typeof reason === 'string';
}
