// The files of stores in the origin private file system (OPFS), behind synchronous access handles,
// which only workers get, and only one of a file at a time: one holds the store, another one holds
// room for it (engine/file-ballast.ts).

import { StoreError } from './store-error.ts';
import type { AccessHandle } from './engine/opfs-device.ts';

export interface StoreFiles {
  /**
   * Opens the file of a source, making it if there is none. Undefined if there is no such storage
   * here.
   *
   * Errors: StoreError 'unavailable' if there is, and it refuses.
   */
  open(source: string): Promise<AccessHandle | undefined>;
  /**
   * Opens the file that only holds room for the source, making it if there is none. Undefined if it
   * can't be had.
   */
  openBallast(source: string): Promise<AccessHandle | undefined>;
  exists(source: string): Promise<boolean>;
  /** The first of the two, closed by then. A file that isn't there may be removed. */
  remove(source: string): Promise<void>;
}

/** The method is one of workers; older browsers lack it. */
type FileHandle = FileSystemFileHandle & {
  createSyncAccessHandle?: () => Promise<AccessHandle>;
};

const FOLDER = 'burrow-stores';
/** A handle of a worker that was just terminated is given back a little later. */
const RETRY_MS = 50;

export class OpfsFiles implements StoreFiles {
  readonly #storage: StorageManager;
  readonly #timeoutMs: number;

  /** `timeoutMs`: how long to wait for a file that another worker has open. */
  constructor(storage: StorageManager, timeoutMs: number) {
    this.#storage = storage;
    this.#timeoutMs = timeoutMs;
  }

  async open(source: string): Promise<AccessHandle | undefined> {
    try {
      return await this.#open(nameOf(source));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw unavailable(source, error);
    }
  }

  async openBallast(source: string): Promise<AccessHandle | undefined> {
    try {
      return await this.#open(ballastOf(source));
    } catch (error) {
      // There are other ways to hold room.
      if (!(error instanceof DOMException)) throw error;
      return undefined;
    }
  }

  async #open(name: string): Promise<AccessHandle | undefined> {
    let file: FileHandle;
    try {
      const folder = await this.#folder({ create: true });
      file = await folder.getFileHandle(name, { create: true });
    } catch (error) {
      // Chromium's private windows of old, Firefox's until recently.
      const isMissing = error instanceof DOMException && error.name === 'SecurityError';
      if (isMissing || error instanceof TypeError) return undefined;
      throw error;
    }
    // Outside of workers, and in older browsers.
    if (file.createSyncAccessHandle === undefined) return undefined;
    for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
      try {
        return await file.createSyncAccessHandle();
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
        const isTaken =
          error.name === 'NoModificationAllowedError' || error.name === 'InvalidStateError';
        if (!isTaken || waitedMs >= this.#timeoutMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async exists(source: string): Promise<boolean> {
    try {
      const folder = await this.#folder({ create: false });
      await folder.getFileHandle(nameOf(source));
      return true;
    } catch (error) {
      if (!(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
      return false;
    }
  }

  async remove(source: string): Promise<void> {
    const folder = await this.#folder({ create: true });
    try {
      await folder.removeEntry(nameOf(source));
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotFoundError') throw error;
    }
  }

  async #folder(options: FileSystemGetDirectoryOptions): Promise<FileSystemDirectoryHandle> {
    const root = await this.#storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, options);
  }
}

function nameOf(source: string): string {
  return encodeURIComponent(source);
}

/** No other source's file is called that: where there is a "+" in one, it is encoded. */
function ballastOf(source: string): string {
  return `${nameOf(source)}+ballast`;
}

function unavailable(source: string, error: Error): StoreError {
  return new StoreError(
    'unavailable',
    `The browser refused to open the file of the filesystem "${source}" in its private file ` +
      `system: ${error.message} Close other tabs of this site, or open it with media: 'indexeddb'.`,
    { cause: error },
  );
}
