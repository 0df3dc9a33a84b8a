// npm test: sets the machine up and runs every check, one line a stage, whatever fails on the way.
// The last line is the sum: `N passed, N failed`, where a check that counts no tests counts as one.
//
// Uses nothing but Node until ensureDependencies() has run.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import * as setup from './setup.mjs';

const HELP = `Usage: npm test -- [options] [filter...]

Runs all checks: the format, the linter, the types, dead code, the unit and conformance tests and
the browser tests. A filter is given to the test runners: only files whose path contains it.

  --only <stage>   run only this stage; may be given several times
  --no-browser     run everything but the browser tests
  --help           this text
`;

const OPTIONS = {
  only: { type: 'string', multiple: true },
  'no-browser': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

const REPORTS = join(setup.ROOT, '.cache', 'reports');
const VITEST_REPORT = join(REPORTS, 'vitest.json');
const PLAYWRIGHT_REPORT = join(REPORTS, 'playwright.json');

/**
 * `command` is a program of npm's packages. `count` says how many tests passed, failed and were
 * skipped; a stage without it is one check. `prepare` makes the machine ready for the stage.
 */
const STAGES = [
  { name: 'format', command: ['prettier', '--check', '.'] },
  { name: 'lint', command: ['eslint', '.'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'dead-code', command: ['knip'] },
  {
    name: 'unit',
    command: [
      ...['vitest', 'run', '--reporter=default', '--reporter=json'],
      `--outputFile.json=${VITEST_REPORT}`,
    ],
    report: VITEST_REPORT,
    count: countVitest,
    prepare: () => {
      setup.ensurePython();
      setup.ensureCompiler();
    },
  },
  {
    name: 'browser',
    command: ['playwright', 'test'],
    report: PLAYWRIGHT_REPORT,
    count: countPlaywright,
    prepare: async () => {
      process.env.CHROMIUM_PATH = await setup.ensureBrowser();
      const { code, output } = await run(process.execPath, ['.tools/programs.mjs']);
      if (code !== 0) throw new setup.SetupError(`the programs could not be fetched:\n${output}`);
    },
  },
];

async function main() {
  const { values, positionals } = readOptions();
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const total = { passed: 0, failed: 0 };
  try {
    setup.ensureDependencies();
  } catch (error) {
    process.stdout.write(`setup: ${error.message}\n`);
    total.failed += 1;
  }
  if (total.failed === 0) {
    mkdirSync(REPORTS, { recursive: true });
    for (const stage of chosenStages(values)) {
      const { passed, failed } = await runStage(stage, positionals);
      total.passed += passed;
      total.failed += failed;
    }
  }
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
}

function readOptions() {
  try {
    const parsed = parseArgs({ options: OPTIONS, allowPositionals: true });
    chosenStages(parsed.values);
    return parsed;
  } catch (error) {
    process.stderr.write(`test: ${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

function chosenStages(values) {
  const names = STAGES.map(({ name }) => name);
  const unknown = values.only?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no stage '${unknown}': they are ${names.join(', ')}`);
  }
  return STAGES.filter(
    ({ name }) =>
      (values.only?.includes(name) ?? true) && !(values['no-browser'] && name === 'browser'),
  );
}

/** Runs one stage and prints its line, and what it printed if it failed. Returns its counts. */
async function runStage(stage, filters) {
  process.stdout.write(stage.name.padEnd(11));
  const start = performance.now();
  const { counts, output } = await resultOf(stage, filters);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const words = [counts.failed === 0 ? 'ok' : 'FAILED'];
  if (stage.count !== undefined) {
    words.push(`${counts.passed} passed, ${counts.failed} failed`);
    if (counts.skipped > 0) words.push(`${counts.skipped} skipped`);
  }
  process.stdout.write(`${words.join(', ')} (${seconds} s)\n`);
  if (counts.failed > 0) process.stdout.write(`\n${output.trim()}\n\n`);
  return counts;
}

async function resultOf(stage, filters) {
  const failure = { passed: 0, failed: 1, skipped: 0 };
  try {
    await stage.prepare?.();
  } catch (error) {
    return { counts: failure, output: `setup: ${error.message}` };
  }
  if (stage.report !== undefined) rmSync(stage.report, { force: true });
  const [program, ...args] = stage.command;
  if (stage.count !== undefined) args.push(...filters);
  const bin = join(setup.ROOT, 'node_modules', '.bin', program);
  const { code, output } = await run(bin, args);
  if (stage.count === undefined) {
    return { counts: code === 0 ? { passed: 1, failed: 0, skipped: 0 } : failure, output };
  }
  let counts;
  try {
    counts = stage.count(JSON.parse(readFileSync(stage.report, 'utf8')));
  } catch (error) {
    return { counts: failure, output: `${output}\nThere is no report: ${error.message}` };
  }
  // Something went wrong outside of any test, or there was none to go wrong.
  if (counts.failed === 0 && (code !== 0 || counts.passed === 0)) counts.failed = 1;
  const note = counts.passed + counts.failed === 0 ? '\nNo tests ran.' : '';
  return { counts, output: output + note };
}

/** A file that could not be read as tests is a failure, too. */
function countVitest(report) {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function countPlaywright({ stats, errors }) {
  return {
    passed: stats.expected,
    failed: stats.unexpected + stats.flaky + errors.length,
    skipped: stats.skipped,
  };
}

/** Runs a program, not interactively, and collects what it prints. */
function run(command, args) {
  const env = { CI: 'true', ...process.env, PLAYWRIGHT_JSON_OUTPUT_FILE: PLAYWRIGHT_REPORT };
  // Its output goes through us, so it can't see for itself whether there are colours.
  const hasColours = process.stdout.isTTY && !process.env.NO_COLOR;
  delete env.NO_COLOR;
  delete env.FORCE_COLOR;
  env[hasColours ? 'FORCE_COLOR' : 'NO_COLOR'] = '1';
  const child = spawn(command, args, {
    cwd: setup.ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // npm's programs are scripts there.
    shell: process.platform === 'win32',
  });
  return new Promise((resolve) => {
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => chunks.push(chunk));
    }
    child.on('error', (error) => chunks.push(Buffer.from(`${error.message}\n`)));
    child.on('close', (code) => {
      const output = Buffer.concat(chunks).toString();
      // Not every program listens to NO_COLOR.
      resolve({ code, output: hasColours ? output : stripVTControlCharacters(output) });
    });
  });
}

process.exitCode = await main();
