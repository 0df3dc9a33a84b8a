// A world on Node's WASI, over a directory of this machine.

import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WASI } from 'node:wasi';
import type { Preview1Name } from '../../../src/wasi/signatures.ts';
import { instanceWithMemory } from '../../support/guest.ts';
import { furnish, type Outside, type World } from './world.ts';

function outsideOf(base: string): Outside {
  const at = (path: string): string => join(base, path);
  return {
    mkdir: (path) => fs.mkdir(at(path)),
    write: (path, text) => fs.writeFile(at(path), text),
    read: (path) => fs.readFile(at(path), 'utf8'),
    symlink: (target, path) => fs.symlink(target, at(path)),
    readlink: (path) => fs.readlink(at(path)),
    rename: (from, to) => fs.rename(at(from), at(to)),
    list: async (path) => (await fs.readdir(at(path))).sort(),
  };
}

type NodeImports = Readonly<
  Record<Preview1Name, (...args: readonly (number | bigint)[]) => number | undefined>
>;

export async function openNode(): Promise<World> {
  const base = await fs.mkdtemp(join(tmpdir(), 'burrow-preview1-'));
  const outside = outsideOf(base);
  await furnish(outside);
  const wasi = new WASI({
    version: 'preview1',
    args: ['program', 'argument'],
    env: { NAME: 'value' },
    preopens: { '/box': join(base, 'box'), '/other': join(base, 'other') },
  });
  const instance = await instanceWithMemory();
  wasi.initialize(instance);
  const imports = wasi.wasiImport as NodeImports;
  return {
    memory: instance.exports['memory'] as WebAssembly.Memory,
    box: 3,
    other: 4,
    outside,
    kernel: undefined,
    call: (name, args) => Promise.resolve(imports[name](...args)),
    close: () => fs.rm(base, { recursive: true }),
  };
}
