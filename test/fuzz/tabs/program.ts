// What a tab does in the test of several tabs: operations of which each would fail, or leave
// something wrong behind, if it were made twice or not at all; and what must be there afterwards.

import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import type { Actor } from '../../support/scene.ts';

export type StepKind =
  | 'append'
  | 'create'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'link'
  | 'write'
  | 'symlink'
  | 'chmod'
  | 'xattr'
  | 'truncate'
  | 'fsync';

export const STEP_KINDS: readonly StepKind[] = [
  'append',
  'append',
  'create',
  'rename',
  'unlink',
  'mkdir',
  'link',
  'write',
  'symlink',
  'chmod',
  'xattr',
  'truncate',
  'fsync',
];

const SHARED_LOG = '/log';
const RECORD_SIZE = 16;

/** A record that is nobody else's. */
export function recordOf(name: string, number: number): string {
  return `${name}:${number}`.padEnd(RECORD_SIZE - 1, '.') + '\n';
}

/** One tab's files, and what is known of them: in what it has been told, or what it has synced. */
export class Program {
  readonly name: string;
  readonly #actor: Actor;
  readonly #dir: string;
  #logFd = -1;
  #dataFd = -1;
  #count = 0;
  /** Records that were appended, and those of them that were synced. */
  readonly appended: string[] = [];
  syncedCount = 0;
  /** Names in the tab's directory that must be there. */
  readonly names = new Set<string>();
  /** What the data file holds. */
  data = new Uint8Array(0);
  mode = 0o644;
  xattr = '';
  linkCount = 1;
  /** Files that hold the name they were made with. */
  readonly #created = new Set<string>();

  constructor(actor: Actor, name: string) {
    this.#actor = actor;
    this.name = name;
    this.#dir = `/dir-${name}`;
  }

  get directory(): string {
    return this.#dir;
  }

  async begin(): Promise<void> {
    const t = this.#actor;
    await t.mkdir(this.#dir);
    this.#logFd = await t.open(SHARED_LOG, O_WRONLY | O_CREAT | O_APPEND, 0o666);
    this.#dataFd = await t.open(`${this.#dir}/data`, O_RDWR | O_CREAT | O_EXCL, 0o644);
    this.names.add('data');
  }

  #newName(): string {
    return `n${++this.#count}`;
  }

  /** One of the names that are there, but not the data file's. */
  #someName(choice: number): string | undefined {
    const names = [...this.names].filter((name) => name !== 'data');
    return names[choice % Math.max(1, names.length)];
  }

  async step(kind: StepKind, choice: number): Promise<void> {
    if (!(await this.#changeNames(kind, choice))) await this.#changeData(kind, choice);
  }

  /** False if it is no change of names. */
  async #changeNames(kind: StepKind, choice: number): Promise<boolean> {
    const t = this.#actor;
    const path = (name: string): string => `${this.#dir}/${name}`;
    switch (kind) {
      case 'create': {
        const name = this.#newName();
        const fd = await t.open(path(name), O_WRONLY | O_CREAT | O_EXCL, 0o644);
        await t.write(fd, name);
        await t.close(fd);
        this.names.add(name);
        this.#created.add(name);
        return true;
      }
      case 'mkdir': {
        const name = this.#newName();
        await t.mkdir(path(name));
        await t.rmdir(path(name));
        await t.mkdir(path(name));
        await t.rename(path(name), path(`${name}d`));
        await t.rmdir(path(`${name}d`));
        return true;
      }
      case 'symlink': {
        const name = this.#newName();
        await t.symlink('data', path(name));
        this.names.add(name);
        return true;
      }
      case 'rename': {
        const old = this.#someName(choice);
        if (old === undefined) return true;
        const name = this.#newName();
        await t.rename(path(old), path(name));
        this.names.delete(old);
        this.names.add(name);
        return true;
      }
      case 'unlink': {
        const name = this.#someName(choice);
        if (name === undefined) return true;
        const isLink = (await t.lstat(path(name))).nlink > 1;
        await t.unlink(path(name));
        this.names.delete(name);
        if (isLink) this.linkCount--;
        return true;
      }
      case 'link': {
        const name = this.#newName();
        await t.link(path('data'), path(name));
        this.names.add(name);
        this.linkCount++;
        return true;
      }
      default:
        return false;
    }
  }

  async #changeData(kind: StepKind, choice: number): Promise<void> {
    const t = this.#actor;
    switch (kind) {
      case 'append': {
        const record = recordOf(this.name, this.appended.length);
        await t.write(this.#logFd, record);
        this.appended.push(record);
        return;
      }
      case 'write': {
        const text = `${this.#count++}`.padStart(1 + (choice % 9000), 'w');
        const offset = choice % 5000;
        await t.pwrite(this.#dataFd, text, offset);
        this.#put(text, offset);
        return;
      }
      case 'truncate': {
        const size = choice % 6000;
        await t.ftruncate(this.#dataFd, size);
        const data = new Uint8Array(size);
        data.set(this.data.subarray(0, size));
        this.data = data;
        return;
      }
      case 'chmod': {
        const mode = 0o600 + (choice % 0o100);
        await t.fchmod(this.#dataFd, mode);
        this.mode = mode;
        return;
      }
      case 'xattr': {
        const value = `v${choice}`;
        await t.fsetxattr(this.#dataFd, 'user.v', value);
        this.xattr = value;
        return;
      }
      case 'fsync':
        await t.fsync(this.#dataFd);
        this.syncedCount = this.appended.length;
        return;
      default:
    }
  }

  #put(text: string, offset: number): void {
    const bytes = new TextEncoder().encode(text);
    const data = new Uint8Array(Math.max(this.data.length, offset + bytes.length));
    data.set(this.data);
    data.set(bytes, offset);
    this.data = data;
  }

  /** What this tab sees of its own files is what it did. Returns what is wrong. */
  async check(): Promise<string[]> {
    const t = this.#actor;
    const wrong: string[] = [];
    const expect = (what: string, found: unknown, wanted: unknown): void => {
      const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
      if (a !== b) wrong.push(`${this.name}: ${what} is ${a}, and should be ${b}`.slice(0, 300));
    };
    expect('the list of names', await t.list(this.#dir), [...this.names].sort());
    const stat = await t.fstat(this.#dataFd);
    expect('the mode', stat.mode & 0o777, this.mode);
    expect('the number of links', stat.nlink, this.linkCount);
    expect('the size', stat.size, this.data.length);
    const found = await t.pread(this.#dataFd, this.data.length, 0);
    expect('the data', [...found].join() === [...this.data].join(), true);
    for (const name of this.#created) {
      if (!this.names.has(name)) continue;
      expect(name, await t.readFile(`${this.#dir}/${name}`), name);
    }
    if (this.xattr !== '') {
      expect('the attribute', await t.fgetxattr(this.#dataFd, 'user.v'), this.xattr);
    }
    return wrong;
  }

  /** The whole shared log, as this tab sees it. */
  async readLog(): Promise<string[]> {
    const t = this.#actor;
    const fd = await t.open(SHARED_LOG, O_RDONLY);
    await t.lseek(fd, 0, SEEK_SET);
    const { size } = await t.fstat(fd);
    const bytes = await t.pread(fd, size, 0);
    await t.close(fd);
    const text = new TextDecoder().decode(bytes);
    return text.match(new RegExp(`[^]{${RECORD_SIZE}}`, 'g')) ?? [];
  }
}
