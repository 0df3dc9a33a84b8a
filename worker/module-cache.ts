// ModuleCache: compiled modules by their content, so that a program's second start doesn't compile
// it again.

import { linuxerr } from '../src/abi/errno.ts';
import { AT_FDCWD, O_RDONLY } from '../src/abi/fcntl.ts';
import { checkAccess, MAY_READ } from '../src/vfs/permissions.ts';
import { S_IFDIR, S_IFMT, type Stat } from '../src/abi/stat.ts';
import type { Credentials } from '../src/auth/credentials.ts';
import { runAsync } from '../src/lib/op.ts';
import { hexOf } from '../src/lib/text.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { FileService } from '../src/kernel/file-service.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import { UnsuitableModule } from '../src/wasi/instantiate.ts';
import type { ProgramSource } from './protocol.ts';

/** Bytes of modules kept compiled. Compiled code takes a few times as much. */
const CACHE_LIMIT = 192 << 20;

interface CachedModule {
  readonly module: Promise<WebAssembly.Module>;
  readonly size: number;
}

export type Progress = (loaded: number, total: number) => void;

/** Who loads, and through what. */
export interface LoadOptions {
  readonly kernel: Kernel;
  readonly sys: Syscalls;
  readonly files: FileService;
  readonly creds: Credentials;
  readonly onProgress: Progress | undefined;
}

export class ModuleCache {
  /** By SHA-256 of the content; oldest use first. */
  readonly #byContent = new Map<string, CachedModule>();
  /** Identity of a file as it was → its content. */
  readonly #contentOfFile = new Map<string, string>();
  #size = 0;

  /**
   * The module of a program.
   *
   * Errors: errors of the path; EACCES if it may not be read, EISDIR; UnsuitableModule if it isn't
   * wasm, or can't be downloaded.
   */
  async load(source: ProgramSource, options: LoadOptions): Promise<WebAssembly.Module> {
    switch (source.kind) {
      case 'module':
        return source.module;
      case 'bytes':
        return await this.#fromBytes(source.bytes);
      case 'url':
        return await this.#fromBytes(await download(source.url, options.onProgress));
      case 'path':
        return await this.#fromFile(source.path, options);
    }
  }

  async #fromFile(
    path: string,
    { kernel, sys, files, creds }: Omit<LoadOptions, 'onProgress'>,
  ): Promise<WebAssembly.Module> {
    const stat = await runAsync(sys.fstatat(AT_FDCWD, path, 0));
    if ((stat.mode & S_IFMT) === S_IFDIR) throw linuxerr.EISDIR;
    // Not the execute bits: a compiler that runs here has no way to set them.
    checkAccess(creds, stat, MAY_READ);
    await runAsync(kernel.checkMayExecute(path));
    const identity = identityOf(stat);
    const content = this.#contentOfFile.get(identity);
    const known = content === undefined ? undefined : this.#byContent.get(content);
    if (content !== undefined && known !== undefined) {
      this.#touch(content, known);
      return await known.module;
    }
    const bytes = await runAsync(files.readFile(path, O_RDONLY));
    const hash = await contentHash(bytes);
    if (hash !== undefined) this.#contentOfFile.set(identity, hash);
    return await this.#compile(bytes, hash);
  }

  async #fromBytes(bytes: Uint8Array): Promise<WebAssembly.Module> {
    return await this.#compile(bytes, await contentHash(bytes));
  }

  async #compile(bytes: Uint8Array, hash: string | undefined): Promise<WebAssembly.Module> {
    const known = hash === undefined ? undefined : this.#byContent.get(hash);
    if (hash !== undefined && known !== undefined) {
      this.#touch(hash, known);
      return await known.module;
    }
    const module = compile(bytes);
    if (hash !== undefined) {
      const cached = { module, size: bytes.length };
      this.#touch(hash, cached);
      this.#size += cached.size;
      this.#evict();
      module.catch(() => {
        if (this.#byContent.delete(hash)) this.#size -= cached.size;
      });
    }
    return await module;
  }

  #touch(hash: string, cached: CachedModule): void {
    this.#byContent.delete(hash);
    this.#byContent.set(hash, cached);
  }

  #evict(): void {
    for (const [hash, { size }] of this.#byContent) {
      if (this.#size <= CACHE_LIMIT || this.#byContent.size === 1) return;
      this.#byContent.delete(hash);
      this.#size -= size;
    }
  }
}

function identityOf({ dev, ino, size, mtime, ctime }: Stat): string {
  return [dev, ino, size, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec].join(':');
}

/** Undefined where the page may not hash (not a secure context): then nothing is remembered. */
async function contentHash(bytes: Uint8Array): Promise<string | undefined> {
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) return undefined;
  const digest = await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return hexOf(new Uint8Array(digest));
}

async function compile(bytes: Uint8Array): Promise<WebAssembly.Module> {
  const isWasm = [0x00, 0x61, 0x73, 0x6d].every((byte, index) => bytes[index] === byte);
  if (!isWasm) {
    throw new UnsuitableModule(
      'not a WebAssembly module. Scripts need their interpreter: python script.py',
    );
  }
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new UnsuitableModule(`the browser can't compile the module: ${detail}`);
  }
}

async function download(url: string, onProgress: Progress | undefined): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new UnsuitableModule(`could not download ${url}: is the server reachable?`);
  }
  if (!response.ok || response.body === null) {
    throw new UnsuitableModule(`could not download ${url}: the server answered ${response.status}`);
  }
  const total = Number(response.headers.get('content-length') ?? 0);
  const pieces: Uint8Array[] = [];
  let loaded = 0;
  for await (const piece of response.body) {
    pieces.push(piece);
    loaded += piece.length;
    onProgress?.(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
