// The command `burrowfs` out of the sources, for those who run it as a process.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './setup.mjs';

/** Bundles the command as the package has it. */
export async function buildCommand() {
  const { build } = await import('vite');
  // Beside node_modules, where packages are found; two of them at once must not write one file.
  const cache = join(ROOT, '.cache');
  mkdirSync(cache, { recursive: true });
  const outDir = mkdtempSync(join(cache, 'burrowfs-'));
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: {
      ssr: join(ROOT, 'src', 'cli', 'burrowfs.ts'),
      outDir,
      target: 'node20',
      minify: false,
    },
  });
  return {
    script: join(outDir, 'burrowfs.js'),
    remove: () => rmSync(outDir, { recursive: true, force: true }),
  };
}
