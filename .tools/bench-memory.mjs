// How much memory a page takes, for the benchmarks.

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const RESIDENT_POLL_MS = 50;
const IN_USE_POLL_MS = 500;

/** Watches the resident memory of the page's process, in bytes, where /proc tells it. */
export async function watchResident(browser) {
  const session = await browser?.newBrowserCDPSession();
  const { processInfo = [] } = (await session?.send('SystemInfo.getProcessInfo')) ?? {};
  const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  const residentOf = async (pid) => {
    const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
  };
  const read = async () => Math.max(0, ...(await Promise.all(pids.map(residentOf))));
  const before = await read();
  let peak = before;
  const timer = setInterval(() => {
    void read().then((bytes) => {
      peak = Math.max(peak, bytes);
    });
  }, RESIDENT_POLL_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      return { before, peak, after: await read() };
    },
  };
}

/**
 * Watches what the page's workers have in use, in bytes: their heaps and the memory of their
 * buffers, each time right after all garbage was collected. That slows them down.
 */
export async function watchInUse(page) {
  const session = await page.context().newCDPSession(page);
  const answers = new Map();
  let lastId = 0;
  let peak = 0;
  let isOver = false;
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result = {} } = JSON.parse(message);
    answers.get(id)?.(result);
    answers.delete(id);
  });
  /** A worker that has ended answers nothing. */
  const send = (sessionId, method) =>
    new Promise((resolve) => {
      const id = ++lastId;
      answers.set(id, resolve);
      const message = JSON.stringify({ id, method });
      session.send('Target.sendMessageToTarget', { sessionId, message }).catch(() => resolve({}));
    });
  session.on('Target.attachedToTarget', async ({ sessionId, targetInfo }) => {
    if (targetInfo.type !== 'worker') return;
    while (!isOver) {
      await send(sessionId, 'HeapProfiler.collectGarbage');
      const { usedSize = 0, backingStorageSize = 0 } = await send(
        sessionId,
        'Runtime.getHeapUsage',
      );
      peak = Math.max(peak, usedSize + backingStorageSize);
      await delay(IN_USE_POLL_MS);
    }
  });
  const options = { autoAttach: true, waitForDebuggerOnStart: false, flatten: false };
  await session.send('Target.setAutoAttach', options);
  return {
    stop: async () => {
      isOver = true;
      await session.detach();
      return peak;
    },
  };
}
