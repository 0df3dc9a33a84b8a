// What the tests of the gofer's host side share: a tree in a temporary folder, the ways of getting
// at it, and a look at what was left open.

import { Buffer } from 'node:buffer';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type ErrnoName, LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import type { HostCalls } from '../../../src/fsgofer/host-calls.ts';
import { HostDirectory } from '../../../src/fsgofer/host-directory.ts';
import { FdBudget } from '../../../src/fsgofer/host-fd.ts';
import type { HostFile } from '../../../src/fsgofer/host-file.ts';
import { type HostAccess, openHostRoot } from '../../../src/fsgofer/host-root.ts';
import { loadKoffiCalls } from '../../../src/fsgofer/koffi-calls.ts';
import { RealClock } from '../../../src/lib/clock.ts';

export const clock = new RealClock();
export const koffiCalls = await loadKoffiCalls();

/** A way of getting at files. */
export interface Way {
  readonly name: string;
  readonly access: HostAccess;
  readonly calls: HostCalls;
}

export const WAYS: readonly Way[] = [
  { name: 'pinned, with all calls', access: 'pinned', calls: koffiCalls },
  { name: 'pinned, with the calls of Node', access: 'pinned', calls: {} },
  { name: 'by paths', access: 'paths', calls: {} },
];

export class Tree {
  /** A folder beside which nothing is. */
  readonly path: string;
  /** What is served. */
  readonly root: string;
  /** What must never be reached. */
  readonly outside: string;
  readonly budget: FdBudget;
  #directories: HostFile[] = [];

  constructor(fdsMax = 100) {
    this.path = realpathSync(mkdtempSync(join(tmpdir(), 'burrow-gofer-')));
    this.root = this.at('root');
    this.outside = this.at('outside');
    mkdirSync(this.root);
    mkdirSync(this.outside);
    this.budget = new FdBudget({ fdsMax, error: linuxerr.EMFILE });
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** A path in what is served. */
  in(...names: string[]): string {
    return join(this.root, ...names);
  }

  async open({ access, calls }: Omit<Way, 'name'>): Promise<HostDirectory> {
    const root = await openHostRoot(this.root, { access, calls, clock, budget: this.budget });
    this.#directories.push(root);
    return root;
  }

  /** The file is closed with the tree. */
  keep<T extends HostFile>(file: T): T {
    this.#directories.push(file);
    return file;
  }

  async walk(directory: HostDirectory, name: string): Promise<HostFile> {
    return this.keep((await directory.walk(name)).file);
  }

  async walkDirectory(directory: HostDirectory, name: string): Promise<HostDirectory> {
    const file = await this.walk(directory, name);
    expect(file).toBeInstanceOf(HostDirectory);
    return file as HostDirectory;
  }

  /** Closes what was kept, and sees to it that nothing else is open. */
  async close(): Promise<void> {
    for (const file of this.#directories.splice(0)) await file.close();
    const leaked = openPathsIn(this.path);
    rmSync(this.path, { recursive: true, force: true });
    expect(leaked).toEqual([]);
    expect(this.budget.fdCount).toBe(0);
  }
}

/** A tree for each test; afterwards nothing of it is open. */
export function useTree(fdsMax?: number): () => Tree {
  let tree: Tree;
  beforeEach(() => {
    tree = new Tree(fdsMax);
  });
  afterEach(() => tree.close());
  return () => tree;
}

/** What this process has open in a folder, as far as Linux tells. */
export function openPathsIn(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    const path = readlinkOf(`/proc/self/fd/${fd}`);
    return path?.startsWith(`${folder}/`) === true || path === folder ? [path] : [];
  });
}

function readlinkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // The descriptor of the listing itself.
    return undefined;
  }
}

/** The error's name, of a promise that is expected to fail. */
export async function failureOf(work: Promise<unknown>): Promise<ErrnoName | 'no failure'> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LinuxError) return error.code;
    throw error;
  }
  return 'no failure';
}

export const isRoot = process.geteuid?.() === 0;
/** A user who owns nothing. */
const NOBODY = 65_534;

/** Runs as an ordinary user, which may be who runs the tests. */
export async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work();
  process.setegid!(NOBODY);
  process.seteuid!(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

export const NOT_UTF8 = Uint8Array.of(0x66, 0xff, 0xfe, 0x2e);

/** A path of bytes. */
export function bytePath(folder: string, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name]);
}

type Callback = (error: Error | null, value?: unknown) => void;
type NodeCall = (...args: unknown[]) => void;

/** What stands in for calls of node:fs that take a callback: each is given the real one. */
export type Fault = (real: NodeCall, args: unknown[]) => void;
export type Faults = Readonly<Record<string, Fault>>;

/** Lets calls of node:fs go as a test wants while it works. */
export async function withFaults<T>(faults: Faults, work: () => Promise<T>): Promise<T> {
  const calls = createRequire(import.meta.url)('node:fs') as Record<string, NodeCall>;
  const names = Object.keys(faults);
  const reals = names.map((name) => calls[name]!);
  names.forEach((name, index) => {
    calls[name] = (...args) => {
      faults[name]!(reals[index]!, args);
    };
  });
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    names.forEach((name, index) => {
      calls[name] = reals[index]!;
    });
    syncBuiltinESMExports();
  }
}

/** A call's callback, which is its last argument. */
export function callbackOf(args: readonly unknown[]): Callback {
  return args.at(-1) as Callback;
}

/** Lets a call succeed, and then something happen before its result is told. */
export function afterwards(happen: () => void): Fault {
  return (real, args) => {
    const done = callbackOf(args);
    const onDone: Callback = (error, value) => {
      if (error === null || error === undefined) happen();
      done(error, value);
    };
    real(...args.slice(0, -1), onDone);
  };
}

/** An error as Node gives it. */
export function nodeError(code: string, syscall: string): Error {
  const errno = -linuxerr[code as ErrnoName].errno;
  return Object.assign(new Error(`${code}: it failed`), { code, errno, syscall });
}

/** Lets a call fail without being made. */
export function failing(code: string, syscall: string): Fault {
  return (_real, args) => {
    process.nextTick(callbackOf(args), nodeError(code, syscall));
  };
}
