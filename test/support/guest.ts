// Guest: stands in for a program. Calls the functions it would import, with a memory of its own.

import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from '../../src/abi/fcntl.ts';
import { assertDefined } from '../../src/lib/assert.ts';
import { type Op, runSync } from '../../src/lib/op.ts';
import { encodeUtf8 } from '../../src/lib/text.ts';
import { Wasi, type WasiOptions } from '../../src/wasi/wasi.ts';
import type { Actor, Scene } from './scene.ts';

/** Errors of preview1 that tests name. */
export const WASI = {
  SUCCESS: 0,
  BADF: 8,
  EXIST: 20,
  FAULT: 21,
  ILSEQ: 25,
  INVAL: 28,
  ISDIR: 31,
  NOENT: 44,
  NOTCAPABLE: 76,
} as const;

const PAGE = 65_536;

/** An instance that has nothing but a memory. The binary: a memory of one page, exported. */
export async function instanceWithMemory(): Promise<WebAssembly.Instance> {
  const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1];
  const name = [...encodeUtf8('memory')];
  bytes.push(7, name.length + 4, 1, name.length, ...name, 2, 0);
  const { instance } = await WebAssembly.instantiate(new Uint8Array(bytes));
  return instance;
}

export class Guest {
  readonly wasi: Wasi;
  readonly memory: WebAssembly.Memory;
  readonly size = PAGE;
  readonly #functions: ReadonlyMap<string, (...args: never[]) => Op<number>>;
  #used = 16;

  private constructor(wasi: Wasi, instance: WebAssembly.Instance) {
    this.wasi = wasi;
    this.memory = instance.exports['memory'] as WebAssembly.Memory;
    this.#functions = new Map(wasi.functions.map(({ name, run }) => [name, run]));
  }

  /** Before its memory is attached, a program is not there yet. */
  static async start(options: WasiOptions, { attach = true } = {}): Promise<Guest> {
    const instance = await instanceWithMemory();
    const guest = new Guest(new Wasi(options), instance);
    if (attach) guest.wasi.attach(instance);
    return guest;
  }

  get names(): string[] {
    return [...this.#functions.keys()];
  }

  op(name: string, args: readonly unknown[]): Op<number> {
    return assertDefined(this.#functions.get(name))(...(args as never[]));
  }

  call(name: string, ...args: readonly unknown[]): number {
    return runSync(this.op(name, args));
  }

  get view(): DataView {
    return new DataView(this.memory.buffer);
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  /** Room for some bytes. */
  allocate(size: number): number {
    const at = this.#used;
    this.#used += Math.ceil(size / 8) * 8;
    return at;
  }

  /** Pointer and length, as two arguments. */
  text(value: string): [pointer: number, length: number] {
    const bytes = encodeUtf8(value);
    const at = this.allocate(bytes.length);
    this.bytes(at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  /** One buffer as a list of one: its pointer and count. */
  iovec(pointer: number, length: number): [pointer: number, count: number] {
    const at = this.allocate(8);
    this.view.setUint32(at, pointer, true);
    this.view.setUint32(at + 4, length, true);
    return [at, 1];
  }
}

/** A guest of an actor, with directories opened for it: path → the name it has for the program. */
export async function startGuest(
  scene: Scene,
  actor: Actor,
  options: Partial<WasiOptions> & { directories?: Readonly<Record<string, string>> } = {},
  how: { readonly attach?: boolean } = {},
): Promise<Guest> {
  const preopens: WasiOptions['preopens'][number][] = [];
  for (const [path, name] of Object.entries(options.directories ?? { '/': '/' })) {
    const fd = runSync(actor.sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0));
    preopens.push({ fd, name, isRoot: path === '/' });
  }
  const defaults = {
    sys: actor.sys,
    clock: scene.clock,
    args: ['program'],
    env: {},
    preopens,
    cwd: '/',
    user: { uid: 0, gid: 0, name: 'root', home: '/root' },
  };
  return Guest.start({ ...defaults, ...options }, how);
}
