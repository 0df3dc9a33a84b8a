// RelayStatus: what a tab says of a filesystem that another one holds: of its own changes, and what
// the holder told of the medium.

import { type Clock, timespecToMs } from '../../lib/clock.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import type { HolderStatus } from './messages.ts';
import type { RelayClient } from './relay-client.ts';

const SILENT =
  "The tab that holds the filesystem doesn't answer: the browser has frozen it, or it hangs. " +
  'Operations wait for it. Bring it to the front, or close it: then another tab takes over.';

export class RelayStatus {
  readonly #client: RelayClient;
  readonly #clock: Clock;
  #commitCount = 0;
  #lastCommitMs: number | undefined;
  #lostChanges = 0;
  #failure: string | undefined;
  #holder: HolderStatus = { health: 'good', lastError: undefined, mirror: undefined };

  constructor(client: RelayClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The holder is asked, for whoever looks again: counts of bytes are not told unasked. */
  get commitStatus(): CommitStatus {
    this.#client.post('askStatus');
    const silence = this.#client.isSilent ? SILENT : undefined;
    const problems = [silence, this.#holder.lastError, this.#lossMessage].filter((text) => text);
    return {
      health: this.#failure === undefined ? this.#holder.health : 'lost',
      dirtyBytes: this.#client.uncommittedBytes,
      isCommitting: false,
      commitCount: this.#commitCount,
      lastCommitMs: this.#lastCommitMs,
      lastError: this.#failure ?? (problems.length === 0 ? undefined : problems.join(' ')),
      mirror: this.#holder.mirror,
    };
  }

  get isReadOnly(): boolean {
    const { health } = this.#holder;
    return this.#failure !== undefined || health === 'read-only' || health === 'lost';
  }

  get #lossMessage(): string | undefined {
    if (this.#lostChanges === 0) return undefined;
    return `${this.#lostChanges} changes were lost with the tab that held the filesystem.`;
  }

  get lostChanges(): number {
    return this.#lostChanges;
  }

  told(status: HolderStatus): void {
    this.#holder = status;
  }

  committed(): void {
    this.#commitCount++;
    this.#lastCommitMs = timespecToMs(this.#clock.now());
  }

  changeLost(): void {
    this.#lostChanges++;
  }

  /** Nobody can hold the store any more. */
  failed(reason: Error): void {
    this.#failure = reason.message;
  }
}
