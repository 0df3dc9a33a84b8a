// Serves and builds the playground, and runs the tests.
//
//   PORT=8080                port of the development server
//   BURROW_NO_ISOLATION=1    no COOP and COEP headers: the page can't share memory between threads

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { ensureProgramFile } from './.tools/programs.mjs';

const ROOT = fileURLToPath(new URL('.', import.meta.url));

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  wasm: 'application/wasm',
  tar: 'application/x-tar',
};

const isIsolated = process.env['BURROW_NO_ISOLATION'] !== '1';
const isolationHeaders: Record<string, string> = isIsolated
  ? {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    }
  : {};

/** What Vite denies by itself. */
const DENIED = ['.env', '.env.*', '*.{crt,pem}', '**/.git/**'];

/** Serves the playground's programs out of the cache; one that isn't there is fetched first. */
function servePrograms(): Plugin {
  const middleware = (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): void => {
    const [, file, extension = ''] =
      /^\/programs\/([^/?]+\.(wasm|tar))(?:\?|$)/.exec(request.url ?? '') ?? [];
    if (file === undefined) next();
    else sendProgram(decodeURIComponent(file), extension, response).catch(next);
  };
  return {
    name: 'burrow-programs',
    configureServer: (server) => {
      server.middlewares.use(middleware);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use(middleware);
    },
  };
}

async function sendProgram(
  file: string,
  extension: string,
  response: ServerResponse,
): Promise<void> {
  const path = await ensureProgramFile(file);
  if (path === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end(`no program ${file}\n`);
    return;
  }
  // Without its length the page could show no progress.
  const { size } = await stat(path);
  response.writeHead(200, {
    ...isolationHeaders,
    'Content-Type': CONTENT_TYPES[extension] ?? 'application/octet-stream',
    'Content-Length': size,
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  createReadStream(path).pipe(response);
}

export default defineConfig({
  root: `${ROOT}web`,
  base: './',
  plugins: [servePrograms()],
  worker: { format: 'es' },
  server: {
    port: Number(process.env['PORT'] ?? 5173),
    headers: isolationHeaders,
    fs: { allow: [ROOT], deny: [...DENIED, '**/.playground/**'] },
  },
  preview: { headers: isolationHeaders },
  build: { target: 'esnext', outDir: `${ROOT}.cache/playground`, emptyOutDir: true },
  test: {
    root: ROOT,
    include: ['test/**/*.test.ts'],
    environment: 'node',
    // Many tests wait for others than the processor: one at a time leaves half of two cores idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // What hangs fails all the same; what is slow on a busy machine need not.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
