// Markers: small files in the origin private file system (OPFS) that say which stores ought to
// exist. When a browser comes up with an empty database although its marker is there, the data was
// lost.

export interface Markers {
  /** What was written for a source, or undefined. */
  read(source: string): Promise<string | undefined>;
  write(source: string, text: string): Promise<void>;
}

const FOLDER = 'burrow-markers';

/** Markers in OPFS. Where it is missing or refuses, there are none, and stores do without. */
export class OpfsMarkers implements Markers {
  readonly #storage: StorageManager;

  constructor(storage: StorageManager) {
    this.#storage = storage;
  }

  async read(source: string): Promise<string | undefined> {
    try {
      const folder = await this.#folder();
      const file = await folder.getFileHandle(encodeURIComponent(source));
      return await (await file.getFile()).text();
    } catch (error) {
      ignoreRefusal(error);
      return undefined;
    }
  }

  async write(source: string, text: string): Promise<void> {
    try {
      const folder = await this.#folder();
      const file = await folder.getFileHandle(encodeURIComponent(source), { create: true });
      const writable = await file.createWritable();
      await writable.write(text);
      await writable.close();
    } catch (error) {
      ignoreRefusal(error);
    }
  }

  async #folder(): Promise<FileSystemDirectoryHandle> {
    const root = await this.#storage.getDirectory();
    return root.getDirectoryHandle(FOLDER, { create: true });
  }
}

/**
 * TypeError: the method is missing (older Safari has no createWritable; the empty file is a marker
 * too).
 */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
}
