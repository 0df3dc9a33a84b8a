// ServedStatus: how the holder's filesystem is, told to a client when that changes.

import type { ExportedFilesystem } from '../../vfs/exported.ts';
import type { HolderMessage, HolderStatus } from './messages.ts';

export class ServedStatus {
  readonly #filesystem: ExportedFilesystem;
  readonly #tell: (message: HolderMessage) => void;
  /** What the client knows. */
  #told: HolderStatus | undefined;

  constructor(filesystem: ExportedFilesystem, tell: (message: HolderMessage) => void) {
    this.#filesystem = filesystem;
    this.#tell = tell;
  }

  tell(): void {
    const { commitStatus } = this.#filesystem;
    if (commitStatus === undefined) return;
    const { health, lastError, mirror } = commitStatus;
    this.#told = { health, lastError, mirror };
    this.#tell({ type: 'status', status: this.#told });
  }

  /** The mirror's counts of bytes are told only when asked for: they always change. */
  tellIfChanged(): void {
    const now = this.#filesystem.commitStatus;
    const told = this.#told;
    const isSame =
      now?.health === told?.health &&
      now?.lastError === told?.lastError &&
      now?.mirror?.state === told?.mirror?.state &&
      now?.mirror?.leader === told?.mirror?.leader &&
      now?.mirror?.reason === told?.mirror?.reason;
    if (!isSame) this.tell();
  }
}
