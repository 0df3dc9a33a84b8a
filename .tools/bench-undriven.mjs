// A browser that nobody drives. Whoever drives one is told of each frame of a WebSocket, whole, as
// its network is watched: that takes more time than the frames do.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM_FLAGS } from './setup.mjs';

const FLAGS = ['--headless=new', '--no-default-browser-check'];
const TIMEOUT_MS = 1_800_000;
const HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/**
 * Opens the benchmarks' page, has it run `suite` with `options`, and returns what it found. The
 * page posts what it says, line by line, and then its result.
 */
export async function runUndriven({ executablePath, url, suite, options, say }) {
  const profile = await mkdtemp(join(tmpdir(), 'burrow-bench-'));
  const page = await listen(say);
  const asked = encodeURIComponent(JSON.stringify({ suite, options, to: page.address }));
  const args = [...FLAGS, ...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, `${url}#${asked}`];
  const browser = spawn(executablePath, args, { stdio: 'ignore' });
  const gone = new Promise((_, reject) => {
    browser.on('error', reject);
    browser.on('exit', (code) => reject(new Error(`the browser ended with ${code}`)));
  });
  const late = new Promise((_, reject) => {
    page.timer = setTimeout(() => reject(new Error('the page took too long')), TIMEOUT_MS);
  });
  try {
    return await Promise.race([page.result, gone, late]);
  } finally {
    clearTimeout(page.timer);
    browser.kill();
    await gone.catch(() => undefined);
    page.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Takes what the page posts. */
async function listen(say) {
  const server = createServer();
  const result = new Promise((resolve, reject) => {
    server.on('request', (request, response) => {
      let text = '';
      request.setEncoding('utf8');
      request.on('data', (data) => (text += data));
      request.on('end', () => {
        response.writeHead(204, HEADERS).end();
        if (request.url === '/line') say(text);
        else if (request.url === '/result') resolve(JSON.parse(text));
        else reject(new Error(text));
      });
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `http://127.0.0.1:${server.address().port}`, result, close, timer: undefined };
}
