// Installs programs into /bin of the filesystem when they are first used, so that later starts need
// no network. A program is complete as soon as its name is in /bin: that comes last.

import type { FileSystem } from '../../src/index.ts';
import { writeWhole } from '../files/transfer.ts';
import { INSTALL_DIRECTORY } from '../shell/command-lookup.ts';
import { errorCode, nullIfFsError } from '../shell/errors.ts';
import type { AvailableProgram, ProgramSource } from '../shell/host.ts';
import { joinPath, parentPath } from '../shell/paths.ts';
import { formatBytes } from '../ui/format.ts';
import type { ProgramArchive, ProgramEntry } from './manifest.ts';
import { progressLine } from './progress-text.ts';
import { readTar } from './tar.ts';

const PROGRAM_MODE = 0o755;
/** The terminal is told of the progress at most this often. */
const PROGRESS_INTERVAL_MS = 80;

export type InstallerFileSystem = Pick<
  FileSystem,
  'link' | 'mkdir' | 'open' | 'rename' | 'stat' | 'symlink' | 'unlink' | 'writeFile'
>;

export interface InstallerOutput {
  /** Shows a line on the terminal in place of the one before; '' removes it. */
  showNote(note: string): void;
  size(): { readonly columns: number };
}

export class Installer implements ProgramSource {
  readonly #entries: readonly ProgramEntry[];
  readonly #fs: InstallerFileSystem;
  readonly #output: InstallerOutput;
  /** What the manifest's addresses are relative to. */
  readonly #base: string;
  readonly #byCommand = new Map<string, ProgramEntry>();

  constructor(
    entries: readonly ProgramEntry[],
    fs: InstallerFileSystem,
    output: InstallerOutput,
    base: string,
  ) {
    this.#entries = entries;
    this.#fs = fs;
    this.#output = output;
    this.#base = base;
    for (const entry of entries) {
      for (const name of [entry.name, ...entry.aliases]) this.#byCommand.set(name, entry);
    }
  }

  commands(): readonly string[] {
    return [...this.#byCommand.keys()];
  }

  find(command: string): AvailableProgram | undefined {
    return this.#byCommand.get(command);
  }

  /** The manifest's entry for `command`, or undefined. */
  entry(command: string): ProgramEntry | undefined {
    return this.#byCommand.get(command);
  }

  async install(command: string, signal: AbortSignal): Promise<string> {
    const entry = this.#byCommand.get(command);
    if (entry === undefined) throw new Error(`there is no program ${command}`);
    const path = joinPath(INSTALL_DIRECTORY, entry.name);
    if (!(await this.#exists(path))) {
      try {
        if (entry.tar !== null) await this.#unpack(entry, entry.tar, signal);
        if (!(await this.#linkTwin(entry, path))) await this.#download(entry, path, signal);
      } finally {
        this.#output.showNote('');
      }
    }
    for (const alias of entry.aliases) {
      const aliasPath = joinPath(INSTALL_DIRECTORY, alias);
      await this.#fs.symlink(entry.name, aliasPath).catch(ignoreExisting);
    }
    return joinPath(INSTALL_DIRECTORY, command);
  }

  async describe(): Promise<string> {
    const rows: string[] = [];
    const width = Math.max(...this.#entries.map((entry) => entry.name.length));
    for (const entry of this.#entries) {
      const isInstalled = await this.#exists(joinPath(INSTALL_DIRECTORY, entry.name));
      const size = formatBytes(entry.size + (entry.tar?.size ?? 0)).padStart(9);
      const state = isInstalled ? 'installed' : 'available';
      const aliases = entry.aliases.length === 0 ? '' : ` (also: ${entry.aliases.join(', ')})`;
      const name = entry.name.padEnd(width);
      rows.push(`${name}  ${size}  ${state}  ${entry.description}${aliases}\n`);
    }
    return `${rows.join('')}What is available is downloaded when it is first used.\n`;
  }

  /** A module that several programs share is downloaded once and gets another name. */
  async #linkTwin(entry: ProgramEntry, path: string): Promise<boolean> {
    for (const twin of this.#entries) {
      if (twin === entry || twin.url !== entry.url) continue;
      const twinPath = joinPath(INSTALL_DIRECTORY, twin.name);
      if (!(await this.#exists(twinPath))) continue;
      await this.#fs.link(twinPath, path);
      return true;
    }
    return false;
  }

  async #download(entry: ProgramEntry, path: string, signal: AbortSignal): Promise<void> {
    const stream = await this.#fetch(entry.name, entry.url, entry.size, signal);
    await this.#fs.mkdir(parentPath(path), { recursive: true });
    // Under a name of its own until it is whole.
    const partial = joinPath(parentPath(path), `.${entry.name}.part`);
    const handle = await this.#fs.open(partial, 'w', PROGRAM_MODE);
    try {
      for await (const chunk of stream) await writeWhole(handle, chunk);
      await handle.chmod(PROGRAM_MODE);
    } catch (error) {
      await handle.close();
      await this.#fs.unlink(partial);
      throw error;
    }
    await handle.close();
    await this.#fs.rename(partial, path);
  }

  async #unpack(entry: ProgramEntry, archive: ProgramArchive, signal: AbortSignal): Promise<void> {
    const label = `${entry.name} (files)`;
    const stream = await this.#fetch(label, archive.url, archive.size, signal);
    const made = new Set<string>();
    for await (const file of readTar(stream)) {
      const path = joinPath(archive.prefix, file.path);
      const directory = file.isDirectory ? path : parentPath(path);
      if (!made.has(directory)) await this.#fs.mkdir(directory, { recursive: true });
      made.add(directory);
      if (!file.isDirectory) await this.#fs.writeFile(path, file.data, { mode: file.mode });
    }
  }

  /** The bytes at `url`, while the terminal shows how far they have come. */
  async #fetch(
    label: string,
    url: string,
    expectedSize: number,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const { columns } = this.#output.size();
    this.#output.showNote(progressLine(label, 0, expectedSize, columns));
    const response = await fetch(new URL(url, this.#base), { signal });
    if (!response.ok || response.body === null) {
      throw new Error(`could not be downloaded: the server answered ${String(response.status)}`);
    }
    const total = Number(response.headers.get('content-length') ?? expectedSize);
    let done = 0;
    let shownAt = 0;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        done += chunk.byteLength;
        const now = performance.now();
        if (now - shownAt < PROGRESS_INTERVAL_MS) return;
        shownAt = now;
        this.#output.showNote(progressLine(label, done, total, columns));
      },
      flush: () => {
        if (done < total) throw new Error('could not be downloaded: the connection broke off');
      },
    });
    return response.body.pipeThrough(count, { signal });
  }

  async #exists(path: string): Promise<boolean> {
    return (await this.#fs.stat(path).catch(nullIfFsError)) !== null;
  }
}

function ignoreExisting(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error;
}
