// A worker in which browser_wasi_shim runs the program that Burrow's tasks run as well.

import {
  Directory,
  File,
  type Inode,
  OpenFile,
  PreopenDirectory,
  WASI,
} from '@bjorn3/browser_wasi_shim';
import { expose } from 'comlink';
import { makeTree, type Operation } from './subject.ts';

export interface ShimService {
  start(module: WebAssembly.Module): Promise<void>;
  /** Returns the nanoseconds the program counted. Errors: what it complained of. */
  run(operation: Operation, count: number): Promise<number>;
}

const root = new Map<string, Inode>();
let program: WebAssembly.Module | undefined;

const service: ShimService = {
  async start(module) {
    program = module;
    await makeTree({
      mkdir: (path) => {
        const { folder, name } = find(path);
        folder.set(name, new Directory(new Map()));
      },
      writeFile: (path, data) => {
        const { folder, name } = find(path);
        folder.set(name, new File(data));
      },
    });
  },
  async run(operation, count) {
    const output = new File([]);
    const files = [new File([]), output, output].map((file) => new OpenFile(file));
    const preopen = new PreopenDirectory('/', root);
    const wasi = new WASI(['syscall-loop', operation, String(count)], [], [...files, preopen], {
      debug: false,
    });
    if (program === undefined) throw new Error('not started');
    const instance = await WebAssembly.instantiate(program, {
      wasi_snapshot_preview1: wasi.wasiImport,
    });
    const code = wasi.start(instance as unknown as Parameters<WASI['start']>[0]);
    const text = new TextDecoder().decode(output.data);
    if (code !== 0) throw new Error(`${operation}: exit code ${code}: ${text}`);
    return Number(text);
  },
};

function find(path: string): { folder: Map<string, Inode>; name: string } {
  const names = path.split('/').slice(1);
  const name = names.pop() ?? '';
  let folder = root;
  for (const each of names) folder = (folder.get(each) as Directory).contents;
  return { folder, name };
}

expose(service);
