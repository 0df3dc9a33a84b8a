// FakeFileSystem: files in a map, as much of kernel.fs as the playground's pure parts use.

import type { Data, Dirent, FileHandle, FileSystem, Stats } from '../../../src/index.ts';
import { joinPath, parentPath, resolvePath } from '../../../web/shell/paths.ts';

interface FakeNode {
  kind: 'file' | 'directory' | 'symlink';
  data: Uint8Array;
  target: string;
  mode: number;
  mtimeNs: bigint;
}

const MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory',
  ELOOP: 'too many symbolic links encountered',
};

const LINKS_MAX = 40;
const encoder = new TextEncoder();

function fsError(code: string, syscall: string, path: string): Error {
  const message = `${code}: ${MESSAGES[code] ?? 'error'}, ${syscall} '${path}'`;
  return Object.assign(new Error(message), { code, syscall, path });
}

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return encoder.encode(data);
  if (data instanceof Uint8Array) return data.slice();
  return data instanceof ArrayBuffer
    ? new Uint8Array(data.slice(0))
    : new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
}

type FakeFileSystemContract = Pick<
  FileSystem,
  | 'appendFile'
  | 'chmod'
  | 'link'
  | 'lstat'
  | 'mkdir'
  | 'open'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'realpath'
  | 'rename'
  | 'stat'
  | 'symlink'
  | 'unlink'
  | 'utimes'
  | 'writeFile'
>;

export class FakeFileSystem implements FakeFileSystemContract {
  readonly #nodes = new Map<string, FakeNode>();
  #now = 0n;

  constructor() {
    this.#nodes.set('/', this.#newNode('directory', 0o755));
  }

  /** Makes files at once: path → text; a path that ends in '/' is a directory. */
  async fill(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      const plain = path.replace(/\/$/, '');
      await this.mkdir(plain === path ? parentPath(plain) : plain, { recursive: true });
      if (plain === path) await this.writeFile(path, text);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- answers are promises
  async stat(path: string): Promise<Stats> {
    return statsOf(this.#node(this.#resolve(path, 'stat'), 'stat'));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async lstat(path: string): Promise<Stats> {
    return statsOf(this.#node(this.#resolveParent(path, 'lstat'), 'lstat'));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async realpath(path: string): Promise<string> {
    const resolved = this.#resolve(path, 'realpath');
    this.#node(resolved, 'realpath');
    return resolved;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async readlink(path: string): Promise<string> {
    return this.#node(this.#resolveParent(path, 'readlink'), 'readlink').target;
  }

  readdir(
    path: string,
    options?: { withFileTypes?: false; recursive?: boolean },
  ): Promise<string[]>;
  readdir(path: string, options: { withFileTypes: true; recursive?: boolean }): Promise<Dirent[]>;
  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async readdir(path: string, options?: { withFileTypes?: boolean }): Promise<string[] | Dirent[]> {
    const directory = this.#resolve(path, 'scandir');
    if (this.#node(directory, 'scandir').kind !== 'directory') {
      throw fsError('ENOTDIR', 'scandir', path);
    }
    const paths = [...this.#nodes.keys()].filter(
      (each) => each !== '/' && parentPath(each) === directory,
    );
    const names = paths.map((each) => each.slice(each.lastIndexOf('/') + 1)).reverse();
    if (options?.withFileTypes !== true) return names;
    return names.map((name) => {
      const stats = statsOf(this.#node(joinPath(directory, name), 'scandir'));
      return { ...stats, name, parentPath: directory };
    });
  }

  readFile(
    path: string,
    options: 'utf8' | 'utf-8' | { encoding: 'utf8' | 'utf-8' },
  ): Promise<string>;
  readFile(path: string, options?: { encoding?: null }): Promise<Uint8Array>;
  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async readFile(
    path: string,
    options?: string | { encoding?: string | null },
  ): Promise<string | Uint8Array> {
    const { data } = this.#file(path);
    const isText = typeof options === 'string' || typeof options?.encoding === 'string';
    return isText ? new TextDecoder().decode(data) : data.slice();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async writeFile(
    path: string,
    data: Data,
    options?: string | { mode?: number; flag?: string | number },
  ): Promise<void> {
    const resolved = this.#resolve(path, 'open');
    const mode = typeof options === 'object' ? options.mode : undefined;
    if (typeof options === 'object' && options.flag === 'wx' && this.#nodes.has(resolved)) {
      throw fsError('EEXIST', 'open', path);
    }
    this.#file(path, mode ?? 0o644).data = bytesOf(data);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async appendFile(path: string, data: Data): Promise<void> {
    append(this.#file(path, 0o644), bytesOf(data));
  }

  async mkdir(
    path: string,
    options?: number | { recursive?: boolean; mode?: number },
  ): Promise<string | undefined> {
    const isRecursive = typeof options === 'object' && options.recursive === true;
    const resolved = resolvePath('/', path);
    if (this.#nodes.has(resolved)) {
      if (isRecursive) return undefined;
      throw fsError('EEXIST', 'mkdir', path);
    }
    if (isRecursive) await this.mkdir(parentPath(resolved), options);
    this.#add(resolved, this.#newNode('directory', 0o755), 'mkdir');
    return path;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async symlink(target: string, path: string): Promise<void> {
    const node = this.#newNode('symlink', 0o777);
    node.target = target;
    this.#add(this.#resolveParent(path, 'symlink'), node, 'symlink');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async link(existingPath: string, newPath: string): Promise<void> {
    this.#add(newPath, this.#node(existingPath, 'link'), 'link');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async rename(oldPath: string, newPath: string): Promise<void> {
    const node = this.#node(oldPath, 'rename');
    this.#nodes.delete(newPath);
    this.#nodes.delete(oldPath);
    this.#add(newPath, node, 'rename');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async unlink(path: string): Promise<void> {
    this.#node(path, 'unlink');
    this.#nodes.delete(path);
    this.#touch(parentPath(path));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async open(path: string, flags: string | number = 'r', mode = 0o644): Promise<FileHandle> {
    const isReading = flags === 'r';
    const resolved = this.#resolve(path, 'open');
    const node =
      isReading && this.#nodes.get(resolved)?.kind === 'directory'
        ? this.#node(resolved, 'open')
        : this.#file(path, isReading ? undefined : mode);
    if (flags === 'w') node.data = new Uint8Array();
    return new FakeFileHandle(node) as unknown as FileHandle;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async chmod(path: string, mode: number): Promise<void> {
    this.#node(this.#resolve(path, 'chmod'), 'chmod').mode = mode;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async utimes(path: string): Promise<void> {
    this.#touch(this.#resolve(path, 'utime'));
  }

  #newNode(kind: FakeNode['kind'], mode: number): FakeNode {
    this.#now += 1n;
    return { kind, data: new Uint8Array(), target: '', mode, mtimeNs: this.#now };
  }

  #touch(path: string): void {
    this.#now += 1n;
    const node = this.#nodes.get(path);
    if (node !== undefined) node.mtimeNs = this.#now;
  }

  #add(path: string, node: FakeNode, syscall: string): void {
    if (this.#nodes.has(path)) throw fsError('EEXIST', syscall, path);
    if (this.#nodes.get(parentPath(path))?.kind !== 'directory') {
      throw fsError('ENOENT', syscall, path);
    }
    this.#nodes.set(path, node);
    this.#touch(parentPath(path));
  }

  /** The file at `path`; made with `mode` if that is given and there is none. */
  #file(path: string, mode?: number): FakeNode {
    const resolved = this.#resolve(path, 'open');
    if (mode !== undefined && !this.#nodes.has(resolved)) {
      this.#add(resolved, this.#newNode('file', mode), 'open');
    }
    const node = this.#node(resolved, 'open');
    if (node.kind === 'directory') throw fsError('EISDIR', 'open', path);
    if (mode !== undefined) this.#touch(resolved);
    return node;
  }

  #node(path: string, syscall: string): FakeNode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw fsError('ENOENT', syscall, path);
    return node;
  }

  #resolveParent(path: string, syscall: string): string {
    const plain = resolvePath('/', path);
    if (plain === '/') return plain;
    const parent = this.#resolve(parentPath(plain), syscall);
    return joinPath(parent, plain.slice(plain.lastIndexOf('/') + 1));
  }

  #resolve(path: string, syscall: string): string {
    let at = '/';
    let rest = path.split('/').filter((part) => part !== '' && part !== '.');
    for (let links = 0; rest.length > 0;) {
      const [first = '', ...others] = rest;
      const next = first === '..' ? parentPath(at) : joinPath(at, first);
      const node = this.#nodes.get(next);
      rest = others;
      if (node?.kind !== 'symlink') {
        at = next;
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) throw fsError('ELOOP', syscall, path);
      if (node.target.startsWith('/')) at = '/';
      rest = [...node.target.split('/').filter((part) => part !== '' && part !== '.'), ...rest];
    }
    return at;
  }
}

function append(node: FakeNode, data: Uint8Array): void {
  const joined = new Uint8Array(node.data.length + data.length);
  joined.set(node.data);
  joined.set(data, node.data.length);
  node.data = joined;
}

class FakeFileHandle {
  readonly #node: FakeNode;

  constructor(node: FakeNode) {
    this.#node = node;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async write(data: Uint8Array): Promise<{ bytesWritten: number }> {
    // Short writes are allowed, so they are made.
    const part = data.subarray(0, Math.max(1, Math.ceil(data.length / 2)));
    append(this.#node, part);
    return { bytesWritten: part.length };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async chmod(mode: number): Promise<void> {
    this.#node.mode = mode;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function statsOf(node: FakeNode): Stats {
  const { kind } = node;
  const type = { file: 0o100000, directory: 0o040000, symlink: 0o120000 };
  const no = (): boolean => false;
  const date = new Date(Number(node.mtimeNs));
  const times = { atime: date, mtime: date, ctime: date, birthtime: date };
  const timesMs = { atimeMs: 0, mtimeMs: Number(node.mtimeNs), ctimeMs: 0, birthtimeMs: 0 };
  const timesNs = { atimeNs: 0n, mtimeNs: node.mtimeNs, ctimeNs: 0n, birthtimeNs: 0n };
  return {
    ...{ dev: 1, ino: 1, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096, blocks: 0 },
    ...times,
    ...timesMs,
    ...timesNs,
    mode: type[kind] | node.mode,
    size: node.data.length,
    isFile: () => kind === 'file',
    isDirectory: () => kind === 'directory',
    isSymbolicLink: () => kind === 'symlink',
    isFIFO: no,
    isSocket: no,
    isCharacterDevice: no,
    isBlockDevice: no,
  };
}
