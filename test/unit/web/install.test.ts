// Installing programs: the manifest, archives, and what ends up in /bin.

import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ExitStatus, Process, SpawnOptions } from '../../../src/index.ts';
import { spawnClang } from '../../../web/install/clang-process.ts';
import { Installer } from '../../../web/install/installer.ts';
import type { ProgramEntry } from '../../../web/install/manifest.ts';
import { parseManifest } from '../../../web/install/manifest.ts';
import { readTar } from '../../../web/install/tar.ts';
import { textStream } from '../../../web/shell/streams.ts';
import { FakeFileSystem } from './fake-file-system.ts';

const BLOCK = 512;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface TarFile {
  readonly name: string;
  readonly prefix?: string;
  readonly type?: string;
  readonly text?: string;
}

/** A ustar archive, made by hand. */
function tarOf(files: readonly TarFile[]): Uint8Array<ArrayBuffer> {
  const blocks = files.flatMap(({ name, prefix = '', type = '0', text = '' }) => {
    const header = new Uint8Array(BLOCK);
    const put = (offset: number, value: string): void => {
      header.set(encoder.encode(value), offset);
    };
    const data = encoder.encode(text);
    put(0, name);
    put(100, '0000644\0');
    put(124, `${data.length.toString(8).padStart(11, '0')}\0`);
    put(156, type);
    put(257, 'ustar\x0000');
    put(345, prefix);
    const padded = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK);
    padded.set(data);
    return [header, padded];
  });
  blocks.push(new Uint8Array(2 * BLOCK));
  const archive = new Uint8Array(blocks.reduce((size, block) => size + block.length, 0));
  let offset = 0;
  for (const block of blocks) {
    archive.set(block, offset);
    offset += block.length;
  }
  return archive;
}

/** `bytes` as a stream of chunks of `size`. */
function chunked(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (let at = 0; at < bytes.length; at += size) {
        controller.enqueue(bytes.subarray(at, at + size));
      }
      controller.close();
    },
  });
}

describe('archives', () => {
  const archive = tarOf([
    { name: 'dir/', type: '5' },
    { name: 'dir/a.txt', text: 'alpha' },
    { name: 'b', prefix: 'a/long/prefix', text: 'x'.repeat(BLOCK) },
    { name: 'empty' },
  ]);

  test.each([1, 7, BLOCK, 100_000])('are read from chunks of %d bytes', async (size) => {
    const found: string[] = [];
    for await (const { path, isDirectory, mode, data } of readTar(chunked(archive, size))) {
      const text = decoder.decode(data).slice(0, 5);
      found.push(`${path} ${isDirectory ? 'd' : 'f'} ${mode.toString(8)} ${text}`);
    }
    expect(found).toEqual([
      'dir d 644 ',
      'dir/a.txt f 644 alpha',
      'a/long/prefix/b f 644 xxxxx',
      'empty f 644 ',
    ]);
  });

  test.each<[string, Uint8Array, string]>([
    ['that is cut off', archive.subarray(0, 3 * BLOCK), 'ends too early'],
    ['of something else', encoder.encode('no archive'.repeat(100)), 'damaged'],
    ['with a link', tarOf([{ name: 'a', type: '2' }]), 'type “2”'],
    ['that leads upwards', tarOf([{ name: 'a/../../b' }]), 'not allowed'],
    ['with an absolute path', tarOf([{ name: '/etc/passwd' }]), 'not allowed'],
  ])('an archive %s is refused', async (_, bytes, message) => {
    const readAll = async (): Promise<void> => {
      for await (const { path } of readTar(chunked(bytes, 1000))) expect(path).toBeTruthy();
    };
    await expect(readAll()).rejects.toThrow(message);
  });
});

describe('the manifest', () => {
  test('of the playground is one', () => {
    const path = new URL('../../../web/programs.json', import.meta.url);
    const entries = parseManifest(JSON.parse(readFileSync(path, 'utf8')));
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(['ls', 'python']));
    const names = entries.flatMap(({ name, aliases }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each<[unknown, string]>([
    [{}, 'not a list'],
    [[1], 'not an object'],
    [[{ name: 1 }], '“name” is not a string'],
    [[{ name: 'a', description: '', url: '', size: '1' }], '“size” is not a number'],
  ])('%j is none', (value, message) => {
    expect(() => parseManifest(value)).toThrow(message);
  });
});

function dataUrl(bytes: Uint8Array): string {
  return `data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`;
}

function entryOf(name: string, change: Partial<ProgramEntry> = {}): ProgramEntry {
  const url = dataUrl(encoder.encode(`module of ${name}`));
  return {
    ...{ name, url, description: '', size: 10, package: 'p', version: '1' },
    ...{ aliases: [], args: [], tar: null, driver: null },
    ...change,
  };
}

describe('the installer', () => {
  const { signal } = new AbortController();
  let fs: FakeFileSystem;
  /** All that was shown, and what is shown now. */
  let notes: string[];

  beforeEach(() => {
    fs = new FakeFileSystem();
    notes = [];
  });

  function installerOf(...entries: ProgramEntry[]): Installer {
    const output = {
      showNote: (note: string): void => {
        notes.push(note);
      },
      size: () => ({ columns: 80 }),
    };
    return new Installer(entries, fs, output, 'data:,');
  }

  test('puts a program into /bin, executable', async () => {
    const installer = installerOf(entryOf('tool'));
    expect(await installer.install('tool', signal)).toBe('/bin/tool');
    expect(await fs.readFile('/bin/tool', 'utf8')).toBe('module of tool');
    expect((await fs.stat('/bin/tool')).mode & 0o777).toBe(0o755);
    expect(await fs.readdir('/bin')).toEqual(['tool']);
    expect(notes[0]).toContain('tool  ');
    expect(notes.at(-1)).toBe('');
  });

  test('gives a program its other names', async () => {
    const installer = installerOf(entryOf('tool', { aliases: ['other'] }));
    expect(await installer.install('other', signal)).toBe('/bin/other');
    expect(await fs.readlink('/bin/other')).toBe('tool');
    expect(await installer.install('tool', signal)).toBe('/bin/tool');
  });

  test('downloads a module that two programs share only once', async () => {
    const shared = entryOf('one');
    const installer = installerOf(shared, entryOf('two', { url: shared.url }));
    await installer.install('one', signal);
    notes = [];
    await installer.install('two', signal);
    expect(notes).toEqual(['']);
    expect(await fs.readFile('/bin/two', 'utf8')).toBe('module of one');
  });

  test('unpacks the files that a program needs', async () => {
    const url = dataUrl(tarOf([{ name: 'lib/a', text: 'alpha' }]));
    const tar = { url, prefix: '/usr', size: 100 };
    await installerOf(entryOf('tool', { tar })).install('tool', signal);
    expect(await fs.readFile('/usr/lib/a', 'utf8')).toBe('alpha');
  });

  test('leaves nothing behind when it fails', async () => {
    const abort = new AbortController();
    abort.abort(new Error('stopped'));
    const installer = installerOf(entryOf('tool'));
    await expect(installer.install('tool', abort.signal)).rejects.toThrow();
    await expect(fs.stat('/bin/tool')).rejects.toThrow('ENOENT');
    await expect(installer.install('nosuch', signal)).rejects.toThrow('no program nosuch');
  });

  test('describes what there is', async () => {
    const installer = installerOf(entryOf('tool', { description: 'does it' }), entryOf('other'));
    await installer.install('tool', signal);
    const text = await installer.describe();
    expect(text).toContain('tool    10 bytes  installed  does it\n');
    expect(text).toContain('other   10 bytes  available');
    expect(installer.commands()).toEqual(['tool', 'other']);
  });
});

describe('clang', () => {
  const BANNER = 'clang version 22\nTarget: wasm32\nInstalledDir: /bin\n';
  const PLAN =
    `${BANNER} (in-process)\n` +
    ' "" "clang" "-cc1" "-o" "/tmp/a.o" "a.c"\n "wasm-ld" "-o" "a.out" "/tmp/a.o"\n';

  interface Started {
    readonly argv: readonly string[];
    readonly options: SpawnOptions;
  }

  /** A kernel whose clang prints `plan`, and whose tools exit with `codes`, one after the other. */
  async function runClang(
    args: readonly string[],
    plan: string,
    codes: readonly number[],
    options: SpawnOptions = {},
  ): Promise<{ started: Started[]; status: ExitStatus; fs: FakeFileSystem; errors: string }> {
    const fs = new FakeFileSystem();
    await fs.fill({ '/tmp/a.o': '', '/home/a.out': '' });
    const modes: string[] = [];
    const started: Started[] = [];
    const kernel = {
      fs: Object.assign(fs, {
        chmod: (path: string, mode: number): Promise<void> => {
          modes.push(`${path} ${mode.toString(8)}`);
          return Promise.resolve();
        },
      }),
      spawn: (_: string, each: SpawnOptions): Promise<Process> => {
        const isPlan = each.args?.[0] === '-###';
        const index = started.filter(({ argv }) => argv[1] !== '-###').length;
        started.push({ argv: [each.argv0 ?? '', ...(each.args ?? [])], options: each });
        const code = isPlan ? 0 : (codes[index] ?? 0);
        return Promise.resolve({
          pid: started.length,
          stdin: null,
          stdout: each.stdout === 'pipe' ? textStream('') : null,
          stderr: textStream(isPlan ? plan : `tool ${String(index)}\n`),
          exited: Promise.resolve({ code, signal: null, error: null }),
          kill: () => Promise.resolve(),
        });
      },
    };
    const base: SpawnOptions = { argv0: 'clang', args, cwd: '/home', stderr: 'pipe' };
    const process = await spawnClang(kernel, '/bin/clang', { ...base, ...options });
    void process.stdout?.cancel();
    const errors = process.stderr === null ? '' : await new Response(process.stderr).text();
    const status = await process.exited;
    return { started, status, fs, errors: errors + modes.join() };
  }

  test('runs what it would start, and makes the result executable', async () => {
    const { started, status, fs, errors } = await runClang(['a.c'], PLAN, [0, 0]);
    expect(started.map(({ argv }) => argv.join(' '))).toEqual([
      'clang -### a.c',
      'clang -cc1 -o /tmp/a.o a.c',
      'wasm-ld -o a.out /tmp/a.o',
    ]);
    expect(status.code).toBe(0);
    expect(errors).toBe('tool 0\ntool 1\n/home/a.out 755');
    await expect(fs.stat('/tmp/a.o')).rejects.toThrow('ENOENT');
  });

  test('understands a plan with its own path in it', async () => {
    const plan = ' "/bin/clang" "clang" "-cc1" "a.c"\n "/bin/wasm-ld" "-o" "a.out"\n';
    const { started, errors } = await runClang(['a.c'], plan, [0, 0]);
    expect(started.slice(1).map(({ argv }) => argv.join(' '))).toEqual([
      'clang -cc1 a.c',
      '/bin/wasm-ld -o a.out',
    ]);
    expect(errors).toContain('/home/a.out 755');
  });

  test('stops at the first failure', async () => {
    const { started, status, errors } = await runClang(['a.c'], PLAN, [1]);
    expect(started).toHaveLength(2);
    expect(status.code).toBe(1);
    expect(errors).toBe('tool 0\n');
  });

  test('shows what clang says instead of a plan', async () => {
    const { started, errors } = await runClang(['nosuch.c'], `${BANNER}error: no such file\n`, []);
    expect(started).toHaveLength(1);
    expect(errors).toBe('error: no such file\n');
  });

  test('answers questions itself', async () => {
    const { started } = await runClang(['--version'], PLAN, []);
    expect(started.map(({ argv }) => argv.join(' '))).toEqual(['clang --version']);
  });

  test('adds what its commands print to one file', async () => {
    const stdout = { file: '/home/out' };
    const { started } = await runClang(['a.c'], PLAN, [0, 0], { stdout });
    expect(started[1]?.options.stdout).toEqual({ file: '/home/out', append: true });
  });
});
