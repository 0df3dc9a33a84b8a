// spawn() in the page: where programs come from, what they are given, how they end.

import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';
import { isolationOf, kernelWorkerOf, printed } from './support/kernel-page.ts';

test('a program comes from a path, an address, bytes or a module', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { program, run } = inPage;
    const bytes = await (await fetch(program('echo'))).arrayBuffer();
    const module = await WebAssembly.compile(bytes);
    await kernel.fs.mkdir('/bin');
    await kernel.fs.writeFile('/bin/echo.wasm', new Uint8Array(bytes), { mode: 0o755 });
    await kernel.fs.symlink('echo.wasm', '/bin/link');
    const args = { args: ['hello', 'two words', 'é', ''] };
    return [
      await run('/bin/echo.wasm', args),
      await run('/bin/link', args),
      await run(program('echo'), args),
      await run(program('echo').href, args),
      await run(new Uint8Array(bytes), args),
      await run(bytes, args),
      await run(module, args),
    ];
  });
  expect(found).toEqual(Array.from({ length: 7 }, () => printed('hello two words é \n')));
});

test('downloads report their progress', async ({ kernelPage }) => {
  const [size, reports] = await kernelPage.evaluate(async () => {
    const seen: [number, number][] = [];
    const { program, run } = inPage;
    const { byteLength } = await (await fetch(program('cat'))).arrayBuffer();
    await run(program('cat'), { onProgress: (...report) => seen.push(report) });
    return [byteLength, seen];
  });
  expect(reports.at(-1)).toEqual([size, size]);
});

test('arguments, environment and working directory', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { program, run } = inPage;
    await kernel.fs.mkdir('/home/user', { recursive: true });
    await kernel.fs.writeFile('/home/user/file', 'in the working directory\n');
    const env = { GREETING: 'grüß dich', EMPTY: '' };
    return {
      env: (await run(program('printenv'), { env, cwd: '/home' })).stdout.split('\n').sort(),
      cwd: await run(program('cat'), { args: ['file', '../user/./file'], cwd: '/home/user' }),
      name: (await run(program('cat'), { args: ['none'] })).stderr,
      argv0: (await run(program('cat'), { args: ['none'], argv0: 'kitten' })).stderr,
      missing: await inPage.failureOf(kernel.spawn(program('cat'), { cwd: '/none' })),
    };
  });
  expect(found).toEqual({
    env: ['', 'EMPTY=', 'GREETING=grüß dich', 'PWD=/home'],
    cwd: printed('in the working directory\n'.repeat(2)),
    name: 'cat: none: No such file or directory\n',
    argv0: expect.stringContaining('none: No such file or directory'),
    missing: expect.objectContaining({ code: 'ENOENT' }),
  });
});

test('exit codes arrive', async ({ kernelPage }) => {
  const codes = await kernelPage.evaluate(async () => {
    const seen: number[] = [];
    for (const code of [0, 1, 42, 255]) {
      const outcome = await inPage.run(inPage.modules.exitWith(code));
      seen.push(outcome.code);
    }
    return [...seen, (await inPage.run(inPage.program('false'))).code];
  });
  expect(codes).toEqual([0, 1, 42, 255, 1]);
});

test('standard streams: null, pipes, web streams, files', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const cat = inPage.program('cat');
    const echo = inPage.program('echo');
    const piped = await kernel.spawn(cat, { stdin: 'pipe' });
    const text = inPage.read(piped.stdout);
    await inPage.feed(piped, 'piped\n');
    const large = await kernel.spawn(cat, { stdin: 'pipe' });
    const largeSize = inPage.read(large.stdout).then(({ length }) => length);
    await inPage.feed(large, 'x'.repeat(1_000_000));
    const stream = new Blob(['streamed\n']).stream();
    const chunks: string[] = [];
    const stdout = new WritableStream<Uint8Array>({
      write: (chunk) => void chunks.push(new TextDecoder().decode(chunk)),
    });
    await inPage.run(echo, { args: ['to a stream'], stdout });
    await inPage.run(echo, { args: ['first'], stdout: { file: '/out' } });
    await inPage.run(echo, { args: ['second'], stdout: { file: '/out' } });
    await inPage.run(echo, { args: ['third'], stdout: { file: '/out', append: true } });
    await inPage.run(cat, { args: ['none'], stderr: { file: '/errors' } });
    const discarded = await inPage.run(echo, { args: ['nobody listens'], stdout: 'null' });
    return {
      piped: [await text, (await piped.exited).code],
      large: await largeSize,
      empty: await inPage.run(cat, { stdin: 'null' }),
      fromStream: await inPage.run(cat, { stdin: stream }),
      fromFile: await inPage.run(cat, { stdin: { file: '/out' } }),
      noFile: await inPage.failureOf(kernel.spawn(cat, { stdin: { file: '/none' } })),
      chunks: chunks.join(''),
      errors: await fs.readFile('/errors', 'utf8'),
      discarded,
    };
  });
  expect(found).toEqual({
    piped: ['piped\n', 0],
    large: 1_000_000,
    empty: printed(''),
    fromStream: printed('streamed\n'),
    fromFile: printed('second\nthird\n'),
    noFile: expect.objectContaining({ code: 'ENOENT' }),
    chunks: 'to a stream\n',
    errors: 'cat: none: No such file or directory\n',
    discarded: printed(''),
  });
});

test("'inherit' writes whole lines to the console", async ({ kernelPage }) => {
  const lines: string[] = [];
  kernelPage.on('console', (message) => lines.push(`${message.type()}: ${message.text()}`));
  await kernelPage.evaluate(async () => {
    const args = ['-e', 'one\\ntwo'];
    await inPage.run(inPage.program('echo'), { args, stdout: 'inherit' });
    await inPage.run(inPage.program('cat'), { args: ['none'], stderr: 'inherit' });
  });
  kernelPage.removeAllListeners('console');
  expect(lines).toEqual(['log: one', 'log: two', 'error: cat: none: No such file or directory']);
});

test('a terminal is input and output at once', async ({ kernelPage }) => {
  const shown = await kernelPage.evaluate(async () => {
    let text = '';
    const terminal = {
      input: new Blob(['typed\n']).stream(),
      output: new WritableStream<Uint8Array>({
        write: (chunk) => void (text += new TextDecoder().decode(chunk)),
      }),
    };
    const spec = { stdin: terminal, stdout: terminal, stderr: terminal };
    const process = await kernel.spawn(inPage.program('cat'), { ...spec, args: ['-', 'none'] });
    const { code } = await process.exited;
    return { text, code, pipes: [process.stdin, process.stdout, process.stderr] };
  });
  expect(shown).toEqual({
    text: 'typed\ncat: none: No such file or directory\n',
    code: 1,
    pipes: [null, null, null],
  });
});

test('the output of one program is the input of another, at once', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const seq = await kernel.spawn(inPage.program('seq'), { args: ['1', '100000'] });
    const wc = await kernel.spawn(inPage.program('wc'), { args: ['-l'], stdin: seq.stdout! });
    const count = await inPage.read(wc.stdout);
    return { count: count.trim(), codes: [(await seq.exited).code, (await wc.exited).code] };
  });
  expect(found).toEqual({ count: '100000', codes: [0, 0] });
});

test('a program whose output nobody wants any more ends', async ({ kernelPage }) => {
  const outcome = await kernelPage.evaluate(async () => {
    const yes = await kernel.spawn(inPage.program('yes'));
    const reader = yes.stdout!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    const { code, signal } = await yes.exited;
    return { start: new TextDecoder().decode(value).slice(0, 4), code, signal };
  });
  expect(outcome).toEqual({ start: 'y\ny\n', code: 141, signal: 'SIGPIPE' });
});

test('kill ends a program that waits for input', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const statuses: unknown[] = [];
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
      const cat = await kernel.spawn(inPage.program('cat'), { stdin: 'pipe' });
      const writer = cat.stdin!.getWriter();
      await writer.write(new TextEncoder().encode('before\n'));
      const { value } = await cat.stdout!.getReader().read();
      await cat.kill(signal);
      statuses.push(new TextDecoder().decode(value), await cat.exited);
      // Whoever is dead can't be killed.
      await cat.kill();
    }
    return statuses;
  });
  expect(found).toEqual([
    'before\n',
    { code: 137, signal: 'SIGKILL', error: null },
    'before\n',
    { code: 130, signal: 'SIGINT', error: null },
    'before\n',
    { code: 143, signal: 'SIGTERM', error: null },
  ]);
});

test('kill ends a program that is busy', async ({ kernelPage }, testInfo) => {
  // Inline, a program that makes no calls keeps its kernel busy: only one that makes them can end.
  const isThread = isolationOf(testInfo) === 'worker';
  const found = await kernelPage.evaluate(async (canLoop) => {
    const { busyCalls, busyLoop } = inPage.modules;
    const busy = await kernel.spawn(canLoop ? busyLoop() : busyCalls());
    // The kernel answers meanwhile.
    await kernel.fs.writeFile('/meanwhile', 'answered');
    const answer = await kernel.fs.readFile('/meanwhile', 'utf8');
    await busy.kill();
    const status = await busy.exited;
    return { answer, status, next: await inPage.run(inPage.program('echo'), { args: ['next'] }) };
  }, isThread);
  expect(found).toEqual({
    answer: 'answered',
    status: { code: 137, signal: 'SIGKILL', error: null },
    next: printed('next\n'),
  });
});

test('what a killed program had open is closed', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    await kernel.mount('/held', { type: 'tmpfs' });
    const cat = await kernel.spawn(inPage.program('cat'), {
      stdin: 'pipe',
      stdout: { file: '/held/file' },
    });
    const busy = await inPage.failureOf(kernel.umount('/held'));
    await cat.kill();
    await cat.exited;
    return { busy, free: await inPage.failureOf(kernel.umount('/held')) };
  });
  expect(found).toEqual({ busy: expect.objectContaining({ code: 'EBUSY' }), free: 'fulfilled' });
});

test('a program that crashes says so', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { modules, run } = inPage;
    return [await run(modules.trap()), await run(modules.endlessRecursion())];
  });
  const crash = { code: 134, signal: null, stdout: '', stderr: '' };
  expect(found).toEqual([
    { ...crash, error: 'program crashed: unreachable' },
    { ...crash, error: 'program ran out of stack' },
  ]);
});

test('what is no program for this kernel says why', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { modules, run } = inPage;
    const { fs } = kernel;
    await fs.writeFile('/script.py', 'print(1)\n', { mode: 0o755 });
    await fs.writeFile('/broken.wasm', modules.trap().subarray(0, 20), { mode: 0o755 });
    const errors: (string | null)[] = [];
    for (const module of [
      modules.library(),
      modules.withImport('env', 'no_such_function'),
      modules.withImport('wasi_unstable', 'proc_exit'),
      modules.withImport('wasi:cli/run@0.2.0', 'run'),
    ]) {
      errors.push((await run(module)).error);
    }
    const failure = async (program: string | URL): Promise<string> => {
      const reason = await inPage.failureOf(kernel.spawn(program));
      return reason === 'fulfilled' ? reason : `${reason.name}: ${reason.message}`;
    };
    return {
      errors,
      script: await failure('/script.py'),
      broken: await failure('/broken.wasm'),
      missing: await failure('/none.wasm'),
      directory: await failure('/dev'),
      notServed: await failure(inPage.program('no-such-program')),
    };
  });
  expect(found.errors).toEqual([
    expect.stringContaining('it has no _start function'),
    expect.stringContaining('Missing: env.no_such_function (function)'),
    expect.stringContaining('it was built for an older WASI'),
    expect.stringContaining('it is a preview2 component'),
  ]);
  expect(found).toMatchObject({
    script:
      'KernelError: not a WebAssembly module. Scripts need their interpreter: python script.py',
    broken: expect.stringMatching(/^KernelError: the browser can't compile the module: /),
    missing: "FsError: ENOENT: no such file or directory, spawn '/none.wasm'",
    directory: "FsError: EISDIR: illegal operation on a directory, spawn '/dev'",
    notServed: expect.stringMatching(/could not download .*: the server answered 404$/),
  });
});

test('preopens are all that a program sees', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/jail/sub', { recursive: true });
    await fs.writeFile('/jail/file', 'inside\n');
    await fs.writeFile('/secret', 'outside\n');
    await fs.symlink('../secret', '/jail/escape');
    const cat = (file: string, preopens: Record<string, string>): Promise<string> =>
      inPage
        .run(inPage.program('cat'), { args: [file], preopens })
        .then(({ stdout, stderr }) => stdout + stderr.replace(/^.*: /, ''));
    return [
      await cat('/file', { '/': '/jail' }),
      await cat('/secret', { '/': '/jail' }),
      await cat('/../secret', { '/': '/jail' }),
      await cat('/escape', { '/': '/jail' }),
      await cat('/data/file', { '/data': '/jail', '/other': '/dev' }),
      await cat('/secret', { '/data': '/jail' }),
      await inPage.failureOf(kernel.spawn(inPage.program('cat'), { preopens: { '/': '/secret' } })),
    ];
  });
  expect(found.slice(0, 2)).toEqual(['inside\n', 'No such file or directory\n']);
  expect(found.slice(2, 4)).not.toContain('outside\n');
  expect(found[4]).toBe('inside\n');
  expect(found[5]).not.toBe('outside\n');
  expect(found[6]).toMatchObject({ code: 'ENOTDIR' });
});

test('a program has the rights of its user', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const user = { uid: 1000, gid: 100 };
    await fs.mkdir('/home/user', { recursive: true });
    await fs.chown('/home/user', user.uid, user.gid);
    await fs.writeFile('/root-only', 'secret\n', { mode: 0o600 });
    await fs.writeFile('/for-group', 'shared\n', { mode: 0o640 });
    await fs.chown('/for-group', 0, 50);
    await fs.writeFile('/program.wasm', inPage.modules.exitWith(0), { mode: 0o600 });
    const { program, run } = inPage;
    const cat = (file: string, options: object): Promise<string> =>
      run(program('cat'), { args: [file], ...options }).then((out) => out.stdout + out.stderr);
    const touch = { args: ['/home/user/mine'], ...user, umask: 0o077 };
    await run(program('touch'), touch);
    const mine = await fs.stat('/home/user/mine');
    const refused = await run(program('touch'), { ...touch, args: ['/mine'] });
    return {
      root: await cat('/root-only', {}),
      user: await cat('/root-only', user),
      outsider: await cat('/for-group', user),
      member: await cat('/for-group', { ...user, groups: [50] }),
      mine: [mine.uid, mine.gid, mine.mode],
      refused: refused.code,
      program: await inPage.failureOf(kernel.spawn('/program.wasm', user)),
    };
  });
  expect(found).toEqual({
    root: 'secret\n',
    user: 'cat: /root-only: Permission denied\n',
    outsider: 'cat: /for-group: Permission denied\n',
    member: 'shared\n',
    mine: [1000, 100, 0o100600],
    refused: 1,
    program: expect.objectContaining({ code: 'EACCES' }),
  });
});

test('ten programs run one after the other, and six at once', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { program, run, feed, read } = inPage;
    const inRow: string[] = [];
    for (let index = 0; index < 10; index++) {
      inRow.push((await run(program('echo'), { args: [String(index)] })).stdout);
    }
    const cats = await Promise.all(
      Array.from({ length: 6 }, () => kernel.spawn(program('cat'), { stdin: 'pipe' })),
    );
    // All of them wait for input now; they get it in another order.
    const texts = cats.map(({ stdout }) => read(stdout));
    for (const cat of cats.toReversed()) await feed(cat, `for ${String(cats.indexOf(cat))}`);
    const pids = new Set(cats.map(({ pid }) => pid));
    return { inRow: inRow.join(''), atOnce: await Promise.all(texts), pids: pids.size };
  });
  expect(found).toEqual({
    inRow: '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n',
    atOnce: ['for 0', 'for 1', 'for 2', 'for 3', 'for 4', 'for 5'],
    pids: 6,
  });
});

test('a module is compiled once', async ({ kernelPage }) => {
  // WebAssembly.compile of the kernel's worker, counted: the adapters of inline tasks are small.
  const worker = kernelWorkerOf(kernelPage);
  await worker.evaluate(() => {
    const compile = WebAssembly.compile.bind(WebAssembly);
    const counter = globalThis as { compiledCount?: number };
    counter.compiledCount = 0;
    WebAssembly.compile = (bytes) => {
      if (bytes.byteLength > 100_000) counter.compiledCount! += 1;
      return compile(bytes);
    };
  });
  await kernelPage.evaluate(async () => {
    const { program, run } = inPage;
    const bytes = await (await fetch(program('echo'))).arrayBuffer();
    await kernel.fs.writeFile('/echo', new Uint8Array(bytes), { mode: 0o755 });
    await kernel.fs.writeFile('/copy', new Uint8Array(bytes), { mode: 0o755 });
    for (const each of ['/echo', '/echo', '/copy', program('echo'), bytes]) await run(each);
  });
  const count = (): Promise<number | undefined> =>
    worker.evaluate(() => (globalThis as { compiledCount?: number }).compiledCount);
  expect(await count()).toBe(1);
  // Another content is another module, also under the same name.
  await kernelPage.evaluate(async () => {
    const bytes = await (await fetch(inPage.program('cat'))).arrayBuffer();
    await kernel.fs.writeFile('/echo', new Uint8Array(bytes));
    await inPage.run('/echo');
  });
  expect(await count()).toBe(2);
});

test('a program may run inline on any page', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const cat = await kernel.spawn(inPage.program('cat'), { stdin: 'pipe', isolation: 'inline' });
    const text = inPage.read(cat.stdout);
    await inPage.feed(cat, 'inline\n');
    return [await text, await cat.exited];
  });
  expect(found).toEqual(['inline\n', { code: 0, signal: null, error: null }]);
});

test("isolation 'worker' needs an isolated page", async ({ kernelPage }, testInfo) => {
  const failure = await kernelPage.evaluate(() =>
    inPage.failureOf(kernel.spawn(inPage.program('echo'), { isolation: 'worker' })),
  );
  if (isolationOf(testInfo) === 'worker') expect(failure).toBe('fulfilled');
  else {
    expect(failure).toMatchObject({
      name: 'KernelError',
      message: expect.stringMatching(/Cross-Origin-Opener-Policy.*isolation 'inline'/),
    });
  }
});

test('without isolation and without JSPI nothing runs, and spawn says why', async ({
  kernelPage,
}) => {
  await kernelWorkerOf(kernelPage).evaluate(() => {
    Reflect.deleteProperty(WebAssembly, 'Suspending');
  });
  const failure = await kernelPage.evaluate(() =>
    inPage.failureOf(kernel.spawn(inPage.program('echo'), { isolation: 'inline' })),
  );
  expect(failure).toMatchObject({
    name: 'KernelError',
    message: expect.stringMatching(/Cross-Origin-Embedder-Policy.*WebAssembly\.Suspending/),
  });
});
