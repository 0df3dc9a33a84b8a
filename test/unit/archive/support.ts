// Trees and archives for tests: packed and unpacked by Burrow, told as what is compared.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type {
  ArchiveFormat,
  ArchiveSummary,
  ExportOptions,
  ImportOptions,
} from '../../../src/archive/options.ts';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_WRONLY } from '../../../src/abi/fcntl.ts';
import {
  devMajor,
  devMinor,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../../src/abi/stat.ts';
import { exportArchive } from '../../../src/archive/export-archive.ts';
import { importArchive } from '../../../src/archive/import-archive.ts';
import { LinuxFileService } from '../../../src/kernel/linux-file-service.ts';
import { listDirectory } from '../../../src/kernel/listing.ts';
import { timespecToNs } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { type Actor, Scene } from '../../support/scene.ts';

const SCRIPT = fileURLToPath(new URL('./host-tree.py', import.meta.url));

/** What tests compare. Files of one inode have the same `same`. */
export interface Told {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly hash?: string;
  readonly target?: string;
  readonly rdev?: readonly number[];
  readonly xattrs: Readonly<Record<string, string>>;
  /** The names of a file that has several. */
  readonly names?: readonly string[];
}

export type Tree = Record<string, Told>;

type Raw = Told & { readonly ino: number; readonly nlink: number };

function withNames(raw: Record<string, Raw>): Tree {
  const entries = Object.entries(raw).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([path, { ino, nlink, ...told }]) => {
      const isLinked = nlink > 1 && (told.mode & S_IFMT) !== S_IFDIR;
      const names = entries.filter(([, other]) => other.ino === ino).map(([name]) => name);
      return [path, isLinked ? { ...told, names } : told];
    }),
  );
}

/** A directory of the host's, gone after the test. */
export function hostDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'burrow-archive-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export function python(...args: string[]): string {
  return execFileSync('python3', [SCRIPT, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
}

export function hostTree(path: string): Tree {
  return withNames(JSON.parse(python('tell', path)) as Record<string, Raw>);
}

/** A kernel, a task for the archives, and one that looks. */
export class Place {
  readonly scene: Scene;
  readonly t: Actor;
  readonly fs: LinuxFileService;

  private constructor(scene: Scene, t: Actor) {
    this.scene = scene;
    this.t = t;
    this.fs = new LinuxFileService(
      t.sys,
      () => 0,
      () => {
        throw new Error('no watches here');
      },
    );
  }

  static async open(): Promise<Place> {
    const scene = await Scene.open();
    return new Place(scene, await scene.newActor());
  }

  run<T>(op: Op<T>): Promise<T> {
    return runAsync(op);
  }

  async put(path: string, bytes: Uint8Array | string): Promise<void> {
    const data = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    const how = { flags: O_WRONLY | O_CREAT, mode: 0o644, flush: false };
    await this.run(this.fs.writeFile(path, data, how));
  }

  async text(path: string): Promise<string> {
    return new TextDecoder().decode(await this.run(this.fs.readFile(path, O_RDONLY)));
  }

  mkdir(path: string): Promise<string | undefined> {
    return this.run(this.fs.mkdir(path, { recursive: true, mode: 0o755 }));
  }

  /** The archive of what is at `path`. */
  async pack(
    path: string,
    format: ArchiveFormat,
    options: Partial<ExportOptions> = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const actor = await this.scene.newActor();
    const bytes = new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
    const [packed] = await Promise.all([
      bytes,
      exportArchive(actor.sys, path, writable, { format, ...options }),
    ]);
    return new Uint8Array(packed);
  }

  async unpack(
    path: string,
    source: Uint8Array | ReadableStream<Uint8Array> | Blob,
    options: Partial<ImportOptions> & { uid?: number } = {},
  ): Promise<ArchiveSummary> {
    const { uid = 0, ...rest } = options;
    const actor = await this.scene.newActor({ uid });
    const stream = source instanceof Uint8Array ? streamOfBytes(source) : source;
    const summary = await importArchive(actor.sys, path, stream, {
      preserveOwner: uid === 0,
      ...rest,
    }).finally(() => {
      // Nothing it did left a descriptor behind.
      const { open } = actor.task.fds;
      if (open.length > 0) throw new Error(`descriptors left open: ${open.join()}`);
    });
    return summary;
  }

  async tree(path: string): Promise<Tree> {
    const raw: Record<string, Raw> = {};
    await this.#tell(path, '.', raw);
    return withNames(raw);
  }

  async #tell(path: string, name: string, into: Record<string, Raw>): Promise<void> {
    const stat = await this.run(this.t.sys.fstatat(AT_FDCWD, path, 0x100));
    const type = stat.mode & S_IFMT;
    const xattrs: Record<string, string> = {};
    for (const key of (await this.run(this.fs.listxattr(path, NO_FOLLOW))).toSorted()) {
      const value = await this.run(this.fs.getxattr(path, key, NO_FOLLOW));
      xattrs[key] = Buffer.from(value).toString('base64');
    }
    into[name] = {
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      mtime: String(timespecToNs(stat.mtime)),
      nlink: stat.nlink,
      ino: stat.ino,
      xattrs,
      ...(type === S_IFREG && { hash: await this.#hash(path) }),
      ...(type === S_IFLNK && { target: await this.run(this.fs.readlink(path)) }),
      ...((type === S_IFCHR || type === S_IFBLK) && {
        rdev: [devMajor(stat.rdev), devMinor(stat.rdev)],
      }),
    };
    if (type !== S_IFDIR) return;
    for (const entry of await this.run(listDirectory(this.t.sys, path))) {
      const child = name === '.' ? entry.name : `${name}/${entry.name}`;
      await this.#tell(`${path.replace(/\/$/, '')}/${entry.name}`, child, into);
    }
  }

  async #hash(path: string): Promise<string> {
    const bytes = await this.run(this.fs.readFile(path, O_RDONLY));
    return createHash('sha256').update(bytes).digest('hex');
  }

  close(): Promise<void> {
    return this.scene.close();
  }
}

const NO_FOLLOW = { flags: 0, follow: false };

/** In chunks of odd sizes: nothing may depend on where they end. */
export function streamOfBytes(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  let size = 1;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      size = (size * 7 + 3) % 60_013;
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}
