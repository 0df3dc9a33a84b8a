// Several tabs work on one store at once, and the one that holds it is closed at random moments:
// nothing that was synced may be missing, no change made twice, and all see the same in the end.
//
//   node test/crash/tabs.mjs [--operations 10000] [--kills 20] [--tabs 3] [--seed 1]

import process from 'node:process';
import { URL, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import { CHROMIUM_FLAGS, ROOT, ensureBrowser } from '../../.tools/setup.mjs';
import { makeRandom, serve } from './kill.mjs';

const PAGE = `/@fs${ROOT}test/browser/support/kernel-page.html`;
const SOURCE = 'tabs';

/** Runs in a page: works until it is told to stop, and says what has been done. */
async function work({ name, seed, source }) {
  await globalThis.inPage.start(source);
  const { fs } = globalThis.kernel;
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const directory = `/${name}`;
  await fs.mkdir(directory);
  const log = await fs.open('/log', 'a');
  const names = [];
  for (let index = 0; !globalThis.isStopped; index++) {
    const path = `${directory}/${index}`;
    const kind = ['append', 'create', 'rename', 'unlink', 'synced', 'look'][random(6)];
    let what = {};
    if (kind === 'append') {
      const record = `${name}:${index}`.padEnd(31, '.') + '\n';
      await log.write(record);
      const isSynced = random(4) === 0;
      if (isSynced) await log.sync();
      what = { record, isSynced };
    } else if (kind === 'create') {
      await fs.writeFile(path, path, { flag: 'wx' });
      names.push(path);
    } else if (kind === 'rename' && names.length > 0) {
      const old = names.splice(random(names.length), 1)[0];
      await fs.rename(old, path);
      names.push(path);
    } else if (kind === 'unlink' && names.length > 0) {
      await fs.unlink(names.splice(random(names.length), 1)[0]);
    } else if (kind === 'synced') {
      await fs.writeFile(`${directory}/s${index}`, 's'.repeat(random(20_000)), { flush: true });
      what = {
        file: `${directory}/s${index}`,
        size: (await fs.stat(`${directory}/s${index}`)).size,
      };
    } else if (kind === 'look') {
      const found = (await fs.readdir(directory)).filter((each) => !each.startsWith('s'));
      const wanted = names.map((each) => each.slice(directory.length + 1));
      if (found.sort().join() !== wanted.sort().join()) {
        throw new Error(`${name} sees ${found.join()} where ${wanted.join()} should be`);
      }
    }
    await globalThis.done(what);
  }
  await log.close();
}

/** A tab that works. */
class WorkingTab {
  page;
  name;
  records = [];
  files = [];
  failure;
  isClosed = false;

  static async open(context, options) {
    const tab = new WorkingTab();
    tab.name = options.name;
    tab.page = await context.newPage();
    await tab.page.exposeFunction('done', (what) => {
      if (what.record !== undefined) tab.records.push(what);
      if (what.file !== undefined) tab.files.push(what);
      options.onDone();
    });
    await tab.page.goto(options.address);
    await tab.page.waitForFunction(() => 'inPage' in globalThis);
    tab.working = tab.page.evaluate(work, options.work).catch((error) => {
      if (!tab.isClosed) {
        tab.failure = String(error);
        options.onDone();
      }
    });
    return tab;
  }

  holder() {
    return this.page
      .evaluate(async () => (await globalThis.kernel?.mounts())?.[0]?.holder)
      .catch(() => undefined);
  }

  close() {
    this.isClosed = true;
    return this.page.close();
  }
}

/** What is wrong with the log and the files that were synced. */
async function findProblems(page, tabs) {
  const log = await page.evaluate(() => globalThis.kernel.fs.readFile('/log', 'utf8'));
  const counts = new Map();
  for (const record of log.match(/.{31}\n/g) ?? [])
    counts.set(record, (counts.get(record) ?? 0) + 1);
  const wrong = [];
  if (log.length % 32 !== 0) wrong.push(`the log has ${log.length} bytes`);
  for (const [record, count] of counts) if (count > 1) wrong.push(`${count} times ${record}`);
  for (const { records, isClosed, failure } of tabs) {
    if (failure !== undefined) wrong.push(failure);
    for (const { record, isSynced } of records) {
      if ((isSynced || !isClosed) && !counts.has(record)) wrong.push(`missing: ${record}`);
    }
  }
  const files = tabs.flatMap((tab) => tab.files);
  const sizes = await page.evaluate(
    (paths) =>
      Promise.all(
        paths.map((path) =>
          globalThis.kernel.fs.stat(path).then(
            ({ size }) => size,
            (error) => error.code,
          ),
        ),
      ),
    files.map(({ file }) => file),
  );
  for (const [i, { file, size }] of files.entries()) {
    if (sizes[i] !== size) wrong.push(`${file} of ${size} bytes: ${sizes[i]}`);
  }
  return wrong;
}

/**
 * Has tabs work until so many operations were made, and closes the holder so often. Resolves to
 * what is wrong. `address`: of the development server.
 */
export async function stressTabs({ context, address, operations, kills, tabs, seed, say }) {
  const random = makeRandom(seed);
  // The server may have all its modules still to compile, on whatever machine this is.
  context.setDefaultTimeout(180_000);
  let done = 0;
  let opened = 0;
  let wake = () => undefined;
  const all = [];
  const open = async () => {
    const name = `t${opened++}`;
    const tab = await WorkingTab.open(context, {
      name,
      address: new URL(PAGE, address).href,
      work: { name, seed: seed * 1000 + opened, source: SOURCE },
      onDone: () => {
        done++;
        wake();
      },
    });
    all.push(tab);
  };
  const reach = async (count) => {
    while (done < count && !all.some(({ failure }) => failure !== undefined)) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  };
  for (let i = 0; i < tabs; i++) await open();
  for (let kill = 1; kill <= kills; kill++) {
    const share = operations / (kills + 1);
    await reach(Math.floor(share * (kill - 0.5 + random())));
    const living = all.filter(({ isClosed }) => !isClosed);
    const holders = await Promise.all(living.map((tab) => tab.holder()));
    const holder = living[holders.indexOf('this-tab')] ?? living[0];
    say(`${done} operations: ${holder.name} is closed`);
    await holder.close();
    await open();
  }
  await reach(operations);
  const living = all.filter(({ isClosed }) => !isClosed);
  for (const { page } of living) {
    await page.evaluate(() => {
      globalThis.isStopped = true;
    });
  }
  await Promise.all(living.map(({ working }) => working));
  const wrong = [];
  const views = new Set();
  for (const { page } of living) {
    wrong.push(...(await findProblems(page, all)));
    const names = await page.evaluate(() => globalThis.kernel.fs.readdir('/', { recursive: true }));
    views.add(names.sort().join('\n'));
  }
  if (views.size !== 1) wrong.push(`${views.size} tabs see different trees`);
  for (const { page } of living) await page.evaluate(() => globalThis.kernel.shutdown());
  return { done, wrong };
}

const print = (line) => process.stdout.write(`${line}\n`);

async function main() {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '10000' },
      kills: { type: 'string', default: '20' },
      tabs: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
    },
  });
  const { address, stop } = await serve();
  const browser = await chromium.launch({
    executablePath: await ensureBrowser(),
    args: CHROMIUM_FLAGS,
  });
  try {
    const { done, wrong } = await stressTabs({
      context: await browser.newContext(),
      address,
      operations: Number(values.operations),
      kills: Number(values.kills),
      tabs: Number(values.tabs),
      seed: Number(values.seed),
      say: print,
    });
    for (const text of wrong.slice(0, 20)) print(text);
    print(`${done} operations, ${values.kills} kills, ${wrong.length} problems`);
    process.exitCode = wrong.length > 0 ? 1 : 0;
  } finally {
    await browser.close();
    stop();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main();
}
