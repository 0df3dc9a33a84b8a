// What a module is told that can't be run here, and one for which there is no memory.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { exitOf, ProgramExit, SIGNALS, signalOfWasi } from '../../../src/wasi/exit.ts';
import {
  importsFor,
  instantiateProgram,
  startFunctionOf,
  UnsuitableModule,
} from '../../../src/wasi/instantiate.ts';
import type { GuestImport } from '../../../src/wasi/wasi.ts';

const text = (value: string): number[] => {
  const bytes = [...encodeUtf8(value)];
  return [bytes.length, ...bytes];
};

const section = (id: number, items: readonly number[][]): number[] => {
  const content = [items.length, ...items.flat()];
  return [id, content.length, ...content];
};

/** A module that imports functions of no parameters and results, and perhaps a memory. */
function moduleImporting(functions: readonly string[], options: { memory?: boolean } = {}) {
  const imports = functions.map((path) => {
    const dot = path.lastIndexOf('.');
    return [...text(path.slice(0, dot)), ...text(path.slice(dot + 1)), 0, 0];
  });
  if (options.memory === true) imports.push([...text('env'), ...text('memory'), 2, 0, 1]);
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = section(1, [[0x60, 0, 0]]);
  return new WebAssembly.Module(new Uint8Array([...header, ...types, ...section(2, imports)]));
}

const KNOWN: GuestImport[] = [
  {
    module: 'wasi_snapshot_preview1',
    name: 'sched_yield',
    parameters: '',
    *run() {
      return 0;
    },
  },
];

const messageFor = (module: WebAssembly.Module): string => {
  try {
    importsFor(module, KNOWN, () => () => 0);
  } catch (error) {
    if (error instanceof UnsuitableModule) return error.message;
    throw error;
  }
  return 'runs';
};

describe('importsFor', () => {
  test('gives a module what it imports, wrapped, and nothing else', () => {
    const wrapped: string[] = [];
    const imports = importsFor(
      moduleImporting(['wasi_snapshot_preview1.sched_yield']),
      KNOWN,
      ({ name }) => {
        wrapped.push(name);
        return () => 7;
      },
    );
    expect(wrapped).toEqual(['sched_yield']);
    expect(Object.keys(imports)).toEqual(['wasi_snapshot_preview1']);
    expect(importsFor(moduleImporting([]), KNOWN, () => () => 0)).toEqual({});
  });

  test('what a host_ module lacks answers ENOSYS', () => {
    const imports = importsFor(moduleImporting(['host_net.connect']), KNOWN, () => () => 0);
    const connect = imports['host_net']!['connect'] as () => number;
    expect(connect()).toBe(52);
  });

  test.each([
    [['wasi_unstable.fd_write'], 'older WASI'],
    [['wasi:cli/environment@0.2.0.get-environment'], 'preview2'],
    [['env.emscripten_memcpy'], 'Emscripten'],
    [['wasi_snapshot_preview1.fd_teleport'], 'that WASI preview1 does not have'],
    [['go.runtime'], 'that WASI preview1 does not have'],
  ])('%j: the message says what is wrong', (functions, words) => {
    const message = messageFor(moduleImporting(functions));
    expect(message).toContain(words);
    expect(message).toContain(functions[0]);
  });

  test('names what is missing, up to five', () => {
    const missing = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `env.${name}`);
    const message = messageFor(moduleImporting(missing));
    expect(message).toContain('env.e (function), …');
    expect(message).not.toContain('env.f');
    expect(messageFor(moduleImporting([], { memory: true }))).toContain('env.memory (memory)');
  });
});

test('a module without _start is a library', async () => {
  const { instance } = await WebAssembly.instantiate(
    new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
  );
  expect(() => startFunctionOf(instance)).toThrow(UnsuitableModule);
});

describe('exitOf', () => {
  test('an exit is its code, without its sign', () => {
    const exit = exitOf(new ProgramExit({ code: 3 }), 'p');
    expect(exit).toEqual({ code: 3, signal: null, error: null });
    expect(exitOf(new ProgramExit({ code: -1 }), 'p').code).toBe(0xffff_ffff);
  });

  test('a signal is 128 and its number', () => {
    for (const [signal, number] of Object.entries(SIGNALS)) {
      const reason = { signal: signal as keyof typeof SIGNALS };
      const exit = exitOf(new ProgramExit(reason), 'p');
      expect(exit).toEqual({ code: 128 + number, signal, error: null });
    }
    expect([signalOfWasi(9), signalOfWasi(0), signalOfWasi(99)]).toEqual([
      'SIGKILL',
      undefined,
      undefined,
    ]);
  });

  test('a trap is told in a sentence that names the program', () => {
    const trap = new WebAssembly.RuntimeError('unreachable');
    expect(exitOf(trap, '/bin/x')).toEqual({
      code: 134,
      signal: null,
      error: '/bin/x crashed: unreachable',
    });
    const overflow = new RangeError('Maximum call stack size exceeded');
    expect(exitOf(overflow, 'x').error).toBe('x ran out of stack');
    expect(exitOf(new Error('odd'), 'x').error).toBe('x could not go on: odd');
    expect(exitOf('thrown text', 'x').error).toBe('x could not go on: thrown text');
  });
});

describe('a program for which there is no memory', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const start = async (failures: number, error: Error): Promise<number> => {
    const real = WebAssembly.instantiate.bind(WebAssembly);
    let calls = 0;
    vi.spyOn(WebAssembly, 'instantiate').mockImplementation((module: WebAssembly.Module) =>
      ++calls > failures ? real(module) : Promise.reject(error),
    );
    const clock = new FakeClock();
    let hasEnded = false;
    const started = instantiateProgram(moduleImporting([]), {}, clock).finally(() => {
      hasEnded = true;
    });
    started.catch(() => undefined);
    for (let turn = 0; turn < 100; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!hasEnded) clock.advance(100);
    }
    await started;
    return calls;
  };

  test('is tried again until there is some', async () => {
    expect(await start(3, new RangeError('no memory'))).toBe(4);
  });

  test('but not for ever, nor for another reason', async () => {
    await expect(start(100, new RangeError('no memory'))).rejects.toThrow('no memory');
    const others = [
      new WebAssembly.LinkError('no such import'),
      new RangeError('Maximum call stack size exceeded'),
    ];
    for (const other of others) await expect(start(1, other)).rejects.toThrow(other);
  });
});
