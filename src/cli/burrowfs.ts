#!/usr/bin/env node
// The command burrowfs.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runGofer } from './gofer-command.ts';
import { parseCommandLine } from './gofer-options.ts';
import { printHelp } from './help.ts';
import { UsageError } from './usage-error.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Of the package that this file is in, wherever it was compiled to. */
function readVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('this file is in no package');
    folder = parent;
  }
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return manifest.version;
}

async function main(): Promise<number> {
  try {
    const command = parseCommandLine(process.argv.slice(2));
    if (command.kind === 'help') process.stdout.write(printHelp());
    else if (command.kind === 'version') process.stdout.write(`${readVersion()}\n`);
    else await runGofer(command.options);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`burrowfs: ${error.print()} (burrowfs --help says more)\n`);
      return EXIT_USAGE;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`burrowfs: ${text}\n`);
    return EXIT_FAILURE;
  }
}

// Files of clients that are still being closed are not waited for.
process.exit(await main());
