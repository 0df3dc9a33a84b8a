// What --help prints.

import { DRAIN_GRACE_MS } from '../gofer-server/gofer-server.ts';
import { OPTION_ROWS } from './option-table.ts';

const GAP = 2;

const EXAMPLES: readonly [command: string, meaning: string][] = [
  ['burrowfs gofer .', 'this folder, for pages of this machine'],
  ['burrowfs gofer . --read-only', 'the same, to look at'],
  ['burrowfs gofer . --origin https://play.example', 'for pages of that site as well'],
  ['burrowfs gofer . --token-file ~/.gofer-token', 'with a token that stays, and can be changed'],
  ['burrowfs gofer . --p9-port 5641', 'for mount -t 9p on this machine as well'],
  ['burrowfs gofer . --uid-map 0:1000', "what programs do as root is user 1000's"],
];

const ABOUT = `
Serves the folder DIR to programs in a page, by WebSocket. Prints the address to give to
the page. Stops on SIGINT and SIGTERM, when clients have written back what they hold, or
after ${DRAIN_GRACE_MS / 1000} s; at once on the second signal. The log goes to stderr: in words if
that is a terminal, otherwise in JSON.
`.trim();

const ENVIRONMENT = `
UV_THREADPOOL_SIZE (4) says how many calls of the host are under way at a time: set it to
16 or more for several clients, or if the folder is on a network.`.trim();

export function printHelp(): string {
  const usage = ['burrowfs gofer DIR [options]', 'burrowfs --help | --version'];
  const options = OPTION_ROWS.map(([name, { value, help }]): [string, readonly string[]] => [
    value === undefined ? `--${name}` : `--${name} ${value}`,
    help,
  ]);
  const examples = EXAMPLES.map(([command, meaning]): [string, string[]] => [command, [meaning]]);
  return [
    `Usage:\n${usage.map((line) => `  ${line}\n`).join('')}`,
    `${ABOUT}\n`,
    `Options:\n${columns(options)}`,
    `Examples:\n${columns(examples)}`,
    `Environment:\n${ENVIRONMENT.split('\n')
      .map((line) => `  ${line}\n`)
      .join('')}`,
    'Exit status: 0 after a signal; 2 if the command line has to be changed; 1 otherwise.\n',
  ].join('\n');
}

/** Two of them; the second may have more lines. */
function columns(rows: readonly (readonly [string, readonly string[]])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + GAP;
  const lines = rows.flatMap(([left, right]) =>
    right.map((line, index) => `  ${(index === 0 ? left : '').padEnd(width)}${line}\n`),
  );
  return lines.join('');
}
