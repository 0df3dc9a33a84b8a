// Kills a browser, all of its processes at once, right after something was synced, opens it again
// and looks whether everything that was synced is there and whole.
//
//   node test/crash/kill.mjs [--rounds 20] [--seed 1] [--media mirrored|indexeddb]
//     [--browser chromium|firefox]
//
// A browser may also lose the whole database by itself, and Chromium now and then does. With the
// mirror that is counted, and everything must be there all the same; without it, it is counted by
// itself, and only if boot() says that it happened.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { URL, fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startBrowser } from './browsers.mjs';

const SOURCE = 'crash';

/** The browser is killed when between so many and so many things have been synced. */
const SYNCED_MIN = 3;
const SYNCED_MAX = 60;
const SAMPLE_SIZE = 200;
/**
 * A browser in which no kernel has started after so many milliseconds hangs, and is killed, too: in
 * Firefox the constructor of a worker's own worker now and then never returns.
 */
const START_MS = 60_000;
const HUNG_MAX = 3;

/** mulberry32: a round can be repeated by its seed. */
export function makeRandom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Runs in the page: writes files and syncs them, one after the other, without end, and tells
 * `globalThis.synced` of each that is. A file begins with its number and its size.
 */
async function writeForever({ round, seed }) {
  const { fs } = globalThis.kernel;
  const directory = `/round-${round}`;
  await fs.mkdir(directory);
  let state = seed;
  const random = (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % limit;
  };
  const content = (index, size) => {
    const bytes = Uint8Array.from({ length: size }, (_, at) => index * 31 + at * 7 + (at >> 8));
    new Uint32Array(bytes.buffer, 0, 2).set([index, size]);
    return bytes;
  };
  const writeSynced = async (path, bytes) => {
    const handle = await fs.open(path, 'w');
    await handle.write(bytes);
    await (random(2) === 0 ? handle.sync() : handle.datasync());
    await handle.close();
  };
  let records = 0;
  for (let index = 0; ; index++) {
    const size = 8 + random(random(4) === 0 ? 300_000 : 6_000);
    const kind = ['file', 'log', 'replaced'][random(3)];
    const path = `${directory}/${kind === 'file' ? `file-${index}` : kind}`;
    if (kind === 'file') {
      await writeSynced(path, content(index, size));
    } else if (kind === 'log') {
      await fs.appendFile(path, content(records++, 100));
      await globalThis.kernel.sync();
    } else {
      await writeSynced(`${path}.new`, content(index, size));
      await fs.rename(`${path}.new`, path);
      await globalThis.kernel.sync();
    }
    void globalThis.synced({ kind, path, index: kind === 'log' ? records - 1 : index });
  }
}

/** Runs in the page: starts a kernel; 'fulfilled', or why it didn't start. */
async function start({ source, media }) {
  const { boot, failureOf } = globalThis.inPage;
  const mounts = { '/': { type: 'idbfs', source, options: { media } } };
  const booting = boot({ mounts });
  const outcome = await failureOf(booting);
  if (outcome === 'fulfilled') globalThis.kernel = await booting;
  return outcome;
}

/**
 * Runs in the page, after `start`, whose failure `failure` is: why the kernel didn't start, which
 * medium had lost what it had, or what is wrong with what was synced.
 */
async function checkSynced({ synced, failure }) {
  if (failure !== undefined) return { reason: failure.reason, wrong: [failure.message] };
  const [{ commit }] = await globalThis.kernel.mounts();
  const { leader, state, follower } = commit.mirror ?? {};
  const isAnew = state === 'resilvering' || leader === 'IndexedDB';
  /** The number of a file's content, or -1 if it is not whole. */
  const indexOf = (bytes) => {
    if (bytes.length < 8) return -1;
    const [index, size] = new Uint32Array(bytes.slice(0, 8).buffer);
    const isRight = (byte, at) => at < 8 || byte === ((index * 31 + at * 7 + (at >> 8)) & 0xff);
    return size === bytes.length && bytes.every(isRight) ? index : -1;
  };
  const { problems } = await globalThis.kernel.check('/');
  const wrong = [...problems];
  for (const { kind, path, index } of synced) {
    const bytes = await globalThis.kernel.fs.readFile(path).catch((error) => error);
    if (bytes instanceof Error) {
      wrong.push(bytes.message);
      continue;
    }
    const found =
      kind === 'log' ? indexOf(bytes.subarray(index * 100, index * 100 + 100)) : indexOf(bytes);
    // Later replacements may have come through as well.
    const isThere = kind === 'replaced' ? found >= index : found === index;
    if (!isThere) wrong.push(`${path} should be number ${index} and is ${found}`);
  }
  return { reason: undefined, wrong, lostMedium: isAnew ? follower : undefined };
}

/**
 * Kills a browser `rounds` times and counts what came of it. `address`: of the development server.
 * `say` gets a line a round.
 */
export async function killRounds({
  rounds,
  address,
  seed = 1,
  media = 'mirrored',
  browser: name = 'chromium',
  say = () => undefined,
}) {
  const counts = { rounds, clean: 0, lost: 0, dataLoss: 0, restored: 0, hung: 0 };
  let profile = await makeProfile();
  /** Of all rounds on this profile. */
  let synced = [];
  let added = [];
  try {
    // Each time the browser is started it first looks for what the last one left.
    for (let round = 0; round <= rounds; round++) {
      const started = await startKernel(name, { profile, address, media, counts });
      let { browser, page } = started;
      try {
        const wanted = round === rounds ? synced : sample(synced, seed + round);
        const { reason, wrong, lostMedium } = await page.evaluate(checkSynced, {
          synced: wanted,
          failure: started.failure,
        });
        const end = reason === 'data-loss' ? 'dataLoss' : wrong.length > 0 ? 'lost' : 'clean';
        if (round > 0) {
          counts[end] += 1;
          if (lostMedium !== undefined) counts.restored += 1;
          const restored = lostMedium === undefined ? '' : `, ${lostMedium} is restored`;
          say(`round ${round}: ${added.length} synced, ${end}${restored}${describe(wrong)}`);
        }
        if (end !== 'clean') {
          await browser.kill();
          await removeProfile(profile);
          [profile, synced] = [await makeProfile(), []];
          ({ browser, page } = await startKernel(name, { profile, address, media, counts }));
        }
        added = round < rounds ? await writeSome(page, round, seed + round) : [];
        synced.push(...added);
      } finally {
        await browser.kill();
      }
    }
  } finally {
    await removeProfile(profile);
  }
  return counts;
}

/** Resolves to a browser, its page and why the kernel in it didn't start, or undefined. */
async function startKernel(name, { profile, address, media, counts }) {
  for (let tries = 0; tries < HUNG_MAX; tries++) {
    const browser = await startBrowser(name, profile);
    let isStarted = false;
    try {
      const page = await browser.openPage(address);
      const outcome = await Promise.race([
        page.evaluate(start, { source: SOURCE, media }),
        delay(START_MS, 'hung', { ref: false }),
      ]);
      isStarted = outcome !== 'hung';
      const failure = outcome === 'fulfilled' ? undefined : outcome;
      if (isStarted) return { browser, page, failure };
      counts.hung += 1;
    } finally {
      if (!isStarted) await browser.kill();
    }
  }
  throw new Error(`no kernel has started in ${name}, ${HUNG_MAX} times in a row`);
}

/** What is looked at between two rounds: the last ones, and some of those before. */
function sample(synced, seed) {
  const random = makeRandom(seed);
  const older = synced.slice(0, -SAMPLE_SIZE);
  const some = older.filter(() => random() < SAMPLE_SIZE / older.length);
  return [...some, ...synced.slice(-SAMPLE_SIZE)];
}

const describe = (wrong) =>
  wrong
    .slice(0, 3)
    .map((text) => `\n  ${text}`)
    .join('');

const makeProfile = () => mkdtemp(join(tmpdir(), 'burrow-crash-'));

/** The processes that were killed may still be about to go. */
const removeProfile = (profile) =>
  rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });

/** Resolves to what has been synced, as soon as it is enough; the page goes on writing. */
async function writeSome(page, round, seed) {
  const enough = SYNCED_MIN + Math.floor(makeRandom(seed)() * (SYNCED_MAX - SYNCED_MIN));
  const synced = [];
  let onEnough;
  const done = new Promise((resolve) => {
    onEnough = resolve;
  });
  await page.exposeFunction('synced', (what) => {
    synced.push(what);
    if (synced.length === enough) onEnough();
  });
  const failed = page.evaluate(writeForever, { round, seed });
  await Promise.race([done, failed]);
  // It fails again when the browser is killed.
  failed.catch(() => undefined);
  return synced;
}

/** Starts the development server. Resolves to its address, and a function that ends it. */
export async function serve() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  const script = fileURLToPath(new URL('../../.tools/start.mjs', import.meta.url));
  const server = spawn(process.execPath, [script, '--page-only'], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: server.stdout })) {
    if (line.includes('Playground')) break;
  }
  return { address: `http://localhost:${port}/`, stop: () => server.kill() };
}

const print = (line) => process.stdout.write(`${line}\n`);

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      media: { type: 'string', default: 'mirrored' },
      browser: { type: 'string', default: 'chromium' },
    },
  });
  const { address, stop } = await serve();
  try {
    const { rounds, clean, lost, dataLoss, restored, hung } = await killRounds({
      rounds: Number(values.rounds),
      seed: Number(values.seed),
      media: values.media,
      browser: values.browser,
      address,
      say: print,
    });
    print(
      `${rounds} rounds, ${clean} clean, ${lost} lost, ` +
        `${dataLoss} dataLoss reported by the browser, ` +
        `${restored} restored from the other medium, the browser hung ${hung} times`,
    );
    // Of Chromium none is known to.
    const isHanging = hung > 0 && values.browser === 'chromium';
    process.exitCode = lost > 0 || isHanging ? 1 : 0;
  } finally {
    stop();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main();
}
