// KeptReplies: what a server keeps of its replies for a client until it hears that they have come.
// It cuts off a client that never says so, or that asks for more than it would keep.

import type { ClientRequest } from './client-request.ts';
import { KEPT_REPLIES_BYTES_MAX } from './extensions.ts';

/** Replies, and bytes of them, after which the server is told that they have come. */
const ACK_AFTER_REPLIES = 64;
const ACK_AFTER_BYTES = KEPT_REPLIES_BYTES_MAX / 8;

export class KeptReplies {
  /** Of requests under way, at most. */
  #expectedBytes = 0;
  /** Of those that were answered, which the server doesn't know yet. */
  #answeredBytes = 0;
  #answeredCount = 0;

  onSent({ keptBytesMax }: ClientRequest): void {
    this.#expectedBytes += keptBytesMax;
  }

  onAnswered({ keptBytesMax }: ClientRequest): void {
    this.#expectedBytes -= keptBytesMax;
    if (keptBytesMax === 0) return;
    this.#answeredBytes += keptBytesMax;
    this.#answeredCount++;
  }

  /** It will not be answered any more. */
  onGivenUp({ keptBytesMax }: ClientRequest): void {
    this.#expectedBytes -= keptBytesMax;
  }

  onAcknowledged(): void {
    this.#answeredBytes = 0;
    this.#answeredCount = 0;
  }

  get hasAnswered(): boolean {
    return this.#answeredCount > 0;
  }

  get isAckDue(): boolean {
    return this.#answeredCount >= ACK_AFTER_REPLIES || this.#answeredBytes >= ACK_AFTER_BYTES;
  }

  /** Would the server keep the reply to this one as well? One it always keeps. */
  hasRoomFor({ keptBytesMax }: ClientRequest): boolean {
    const keptBytes = this.#expectedBytes + this.#answeredBytes;
    return keptBytes === 0 || keptBytes + keptBytesMax <= KEPT_REPLIES_BYTES_MAX;
  }
}
