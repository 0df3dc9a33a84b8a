// npm run bench: measures Burrow beside its peers in a real Chromium and writes what it found to
// test/bench/results.md.
//
//   npm run bench -- [--only <suite>] [--quick]
//
// Suites: operations, small-files, storage, tree, peers, memory, programs, sparse, gofer. Only a
// run of all of them writes the results.

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { watchInUse, watchResident } from './bench-memory.mjs';
import { startGofers } from './bench-gofer.mjs';
import { writeResults } from './bench-report.mjs';
import { runUndriven } from './bench-undriven.mjs';
import { CHROMIUM_FLAGS, ROOT, ensureBrowser, ensureDependencies } from './setup.mjs';

const SUITES = [
  'operations',
  'small-files',
  'storage',
  'tree',
  'peers',
  'memory',
  'programs',
  'sparse',
  'gofer',
];
const OPTIONS = {
  only: { type: 'string', multiple: true },
  quick: { type: 'boolean', default: false },
};

const BENCH = join(ROOT, 'test', 'bench');
const PAGE = join(ROOT, '.cache', 'bench');
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** What the programs do that are compared with Node's WASI. */
const RUNS = [
  { title: 'python -c "print(1)"', program: 'python', args: ['-c', 'print(1)'] },
  {
    title: 'sqlite3: insert 10,000 rows',
    program: 'sqlite3-wasi',
    args: [
      '/rows.db',
      'DROP TABLE IF EXISTS rows; BEGIN; CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT);' +
        'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) ' +
        "INSERT INTO rows SELECT i, 'row number ' || i FROM n; COMMIT;",
    ],
  },
  { title: 'tar: 1,000 files of 4 KiB', program: 'tar', args: ['-cf', '/all.tar', 'tree'] },
];

const say = (line) => process.stderr.write(`bench: ${line}\n`);

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  const suites = values.only ?? SUITES;
  const unknown = suites.filter((suite) => !SUITES.includes(suite));
  if (unknown.length > 0) throw new Error(`no suite ${unknown}; there are ${SUITES.join(', ')}`);
  ensureDependencies();
  const executablePath = await ensureBrowser();
  say('building the page');
  const server = await servePage();
  const results = { load: [loadavg()[0]], cores: cpus().length, runs: RUNS, isQuick: values.quick };
  try {
    for (const suite of suites) {
      say(suite);
      const open = () => openBrowser(executablePath, server.url);
      const undriven = { executablePath, url: server.url };
      // One that fails doesn't cost what the others have found.
      await MEASURE[suite](open, values.quick, results, undriven).then(
        (found) => {
          results[suite] = found;
        },
        (error) => {
          say(`${suite} failed: ${error.stack}`);
          process.exitCode = 1;
        },
      );
      results.load.push(loadavg()[0]);
    }
  } finally {
    await server.close();
  }
  const text = await writeResults(results, { path: join(BENCH, 'results.md'), suites: SUITES });
  process.stdout.write(`${text}\n`);
}

/** Builds the page and serves it. */
async function servePage() {
  const [{ build, preview }, programs, { compileWasm }] = await Promise.all([
    import('vite'),
    import('./programs.mjs'),
    import('./wasm-cc.mjs'),
  ]);
  const config = pageConfig();
  await build(config);
  await compileWasm({
    sources: [join(BENCH, 'syscall-loop.c')],
    output: join(PAGE, 'syscall-loop.wasm'),
    flags: ['-O2'],
  });
  await compileWasm({
    sources: [join(ROOT, 'test', 'wasi', 'programs', 'watch-until.c')],
    output: join(PAGE, 'watch-until.wasm'),
    flags: ['-O2', `-I${join(ROOT, 'src', 'wasi')}`],
  });
  for (const { program } of RUNS) {
    await copyFile(await programs.ensureProgram(program), join(PAGE, `${program}.wasm`));
  }
  const server = await preview(config);
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}

function pageConfig() {
  const builtins = ['buffer', 'events', 'path', 'stream', 'url'].map((name) => [
    `node:${name}`,
    join(BENCH, 'node-builtins.ts'),
  ]);
  return {
    configFile: false,
    root: BENCH,
    base: './',
    logLevel: 'error',
    // What memfs and LightningFS take for granted.
    define: { global: 'globalThis' },
    resolve: { alias: Object.fromEntries(builtins) },
    worker: { format: 'es' },
    // Names stay, so that a profile can be read.
    build: { target: 'esnext', outDir: PAGE, emptyOutDir: true, minify: false },
    preview: { headers: ISOLATION, host: '127.0.0.1', port: 0 },
  };
}

/** A browser with a new profile on disk: a private one would keep its databases in memory. */
async function openBrowser(executablePath, url) {
  const { chromium } = await import('playwright');
  const profile = await mkdtemp(join(tmpdir(), 'burrow-bench-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: CHROMIUM_FLAGS,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  page.on('console', (message) => {
    if (message.type() === 'info') say(`  ${message.text()}`);
  });
  await page.goto(url);
  return {
    page,
    browser: context.browser(),
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** Opens a browser for as long as `run` needs it. */
async function withBrowser(open, run) {
  const browser = await open();
  try {
    return await run(browser);
  } finally {
    await browser.close();
  }
}

const MEASURE = {
  operations: (open, isQuick, results) =>
    withBrowser(open, ({ page, browser }) => {
      results.browser = browser?.version() ?? '';
      const options = isQuick ? { rounds: 3, batchMs: 10 } : { rounds: 11, batchMs: 25 };
      return page.evaluate((each) => globalThis.bench.operations(each), options);
    }),

  'small-files': (open, isQuick) =>
    withBrowser(open, ({ page }) => {
      const many = isQuick ? 1000 : 10_000;
      const counts = {
        burrow: many,
        'idb-keyval': many,
        'idb-keyval strict': many,
        lightning: many / 10,
        'zenfs-indexeddb': many / 50,
      };
      const options = { rounds: isQuick ? 2 : 7, counts };
      return page
        .evaluate((each) => globalThis.bench.smallFiles(each), options)
        .then((times) => ({ counts, times }));
    }),

  storage: (open, isQuick) =>
    withBrowser(open, async ({ page }) => {
      const [few, many] = isQuick ? [100, 2000] : [500, 16_000];
      const reads = { indexeddb: few, 'raw indexeddb': few, mirrored: many, 'raw opfs': many };
      const sizes = isQuick
        ? { sequentialMib: 32, randomMib: 16, blocks: 500, reads, fsyncs: 50 }
        : { sequentialMib: 256, randomMib: 64, blocks: 2000, reads, fsyncs: 500 };
      const subjects = ['mirrored', 'indexeddb', 'raw indexeddb', 'raw opfs'];
      const options = { subjects, sizes, rounds: isQuick ? 1 : 9 };
      const times = await page.evaluate((each) => globalThis.bench.storage(each), options);
      return { sizes, times };
    }),

  tree: (open, isQuick) =>
    withBrowser(open, async ({ page }) => {
      const files = isQuick ? 10_000 : 100_000;
      const works = ['mirrored', 'indexeddb'].map((media) => ({ media, files, withFloor: true }));
      const options = { works, rounds: isQuick ? 1 : 3 };
      const times = await page.evaluate((each) => globalThis.bench.tree(each), options);
      return { files, times };
    }),

  peers: (open, isQuick) =>
    withBrowser(open, async ({ page }) => {
      const sizes = isQuick ? { fileMib: 20, files: 500 } : { fileMib: 200, files: 10_000 };
      const subjects = ['burrow', 'lightning', 'zenfs-indexeddb'];
      const options = { subjects, sizes, rounds: 1 };
      const times = await page.evaluate((each) => globalThis.bench.peers(each), options);
      return { sizes, times };
    }),

  async memory(open, isQuick) {
    const found = {};
    for (const [name, work, options] of memoryWorks(isQuick)) {
      // What is counted in one browser is slowed down by that, and has less garbage.
      const watched = (watch) =>
        withBrowser(open, async ({ page, browser }) => {
          const watching = await watch(page, browser);
          await page.evaluate(([each, how]) => globalThis.bench[each](how), [work, options]);
          return watching.stop();
        });
      const resident = await watched((_page, browser) => watchResident(browser));
      found[name] = { ...resident, inUse: await watched(watchInUse) };
      const { before, peak, inUse } = found[name];
      const [grown, used] = [peak - before, inUse].map((bytes) => Math.round(bytes / 2 ** 20));
      say(`  memory, ${name}: ${used} MiB in use, ${grown} MiB more resident`);
    }
    return found;
  },

  async programs(open, isQuick) {
    // A first start is one that finds nothing compiled: a browser can make it only once.
    const browsers = isQuick ? 1 : 3;
    const repeats = isQuick ? 2 : 4;
    const times = {};
    for (let index = 0; index < browsers; index++) {
      for (const isolation of ['worker', 'inline']) {
        for (const mount of ['tmpfs', 'idbfs']) {
          const options = { isolation, mount, runs: RUNS, repeats };
          const measured = await withBrowser(open, ({ page }) =>
            page.evaluate((each) => globalThis.bench.programs(each), options),
          );
          (times[`${isolation} on ${mount}`] ??= []).push(measured);
        }
      }
      (times['Node’s WASI'] ??= []).push(await runInNode(repeats));
      say(`  programs, round ${index + 1}`);
    }
    return times;
  },

  sparse: (open) =>
    withBrowser(open, async ({ page, browser }) => {
      const watch = await watchResident(browser);
      const result = await page.evaluate(() => globalThis.bench.sparse());
      return { ...result, memory: await watch.stop() };
    }),

  gofer: async (_open, isQuick, _results, undriven) => {
    const gofers = await startGofers(new URL(undriven.url).origin);
    const { changes, ...addresses } = gofers.addresses;
    const [mib, rounds] = isQuick ? [32, 1] : [256, 7];
    const options = { addresses, mib, delayMs: 50, rounds };
    const watched = { gofer: addresses.gofer, changes, count: isQuick ? 50 : 300 };
    const run = (suite, asked) =>
      runUndriven({ ...undriven, suite, options: asked, say: (line) => say(`  ${line}`) });
    try {
      const found = await run('gofer', options);
      const hostChanges = await run('hostChanges', watched);
      return { ...found, hostChanges, mib, delayMs: options.delayMs };
    } finally {
      await gofers.close();
    }
  },
};

/** What is measured elsewhere, Burrow's part of it alone, in a browser each. */
function memoryWorks(isQuick) {
  const scale = isQuick ? 100 : 1;
  const files = 1_000_000 / scale;
  const tree = (media) => ({ works: [{ media, files, withFloor: false }], rounds: 1 });
  const sizes = isQuick
    ? { sequentialMib: 32, randomMib: 16, blocks: 500, fsyncs: 50 }
    : { sequentialMib: 256, randomMib: 64, blocks: 2000, fsyncs: 500 };
  const storage = (subject) => ({
    subjects: [subject],
    sizes: { ...sizes, reads: { [subject]: 500 } },
    rounds: 1,
  });
  const count = (10_000 / scale).toLocaleString('en');
  const counts = { burrow: 10_000 / scale };
  return [
    [`${count} files of 1 KiB`, 'smallFiles', { counts, rounds: 1 }],
    [`files of ${sizes.sequentialMib} MiB, mirrored`, 'storage', storage('mirrored')],
    [`files of ${sizes.sequentialMib} MiB, IndexedDB alone`, 'storage', storage('indexeddb')],
    [`a tree of ${files.toLocaleString('en')} files, mirrored`, 'tree', tree('mirrored')],
    [`a tree of ${files.toLocaleString('en')} files, IndexedDB alone`, 'tree', tree('indexeddb')],
  ];
}

/** The same programs on a folder with the same files, under Node's WASI. */
async function runInNode(repeats) {
  const root = await mkdtemp(join(tmpdir(), 'burrow-bench-'));
  try {
    for (let index = 0; index < 1000; index++) {
      const folder = join(root, 'tree', `d${Math.floor(index / 50)}`);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, `f${index}`), new Uint8Array(4096).fill(index));
    }
    const runs = RUNS.map(({ program, args }) => ({ path: join(PAGE, `${program}.wasm`), args }));
    const script = fileURLToPath(new URL('bench-wasi.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--no-warnings',
      script,
      JSON.stringify({ root, repeats, runs }),
    ]);
    return JSON.parse(stdout);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

await main();
