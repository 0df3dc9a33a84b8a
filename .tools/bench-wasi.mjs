// Runs programs under Node's own WASI and prints how long each took, as JSON: a list for every
// repetition. Started by bench.mjs in a process of its own.
//
//   node .tools/bench-wasi.mjs '{ "root": "/tmp/x", "repeats": 3, "runs": [{ "path", "args" }] }'

import { openSync, readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const { root, repeats, runs } = JSON.parse(process.argv[2]);
const modules = new Map();
/** Node 20 crashes when it collects one of these while another runs. */
const kept = [];
const nothing = openSync('/dev/null', 'r+');

/** Starts a program as the page does: compiled the first time, from bytes that are in memory. */
async function run({ path, bytes, args }) {
  const start = performance.now();
  if (!modules.has(path)) modules.set(path, await WebAssembly.compile(bytes));
  const wasi = new WASI({
    version: 'preview1',
    args: ['program', ...args],
    preopens: { '/': root },
    stdin: nothing,
    stdout: nothing,
    returnOnExit: true,
  });
  const imports = wasi.getImportObject();
  const module = modules.get(path);
  for (const { module: from } of WebAssembly.Module.imports(module)) {
    // The programs import modules of their host's that do without.
    imports[from] ??= new Proxy({}, { get: () => () => 52 });
  }
  const instance = await WebAssembly.instantiate(module, imports);
  kept.push(wasi, imports, instance);
  const code = wasi.start(instance);
  if (code !== 0) throw new Error(`${args.join(' ')}: exit code ${code}`);
  return performance.now() - start;
}

const loaded = runs.map((each) => ({ ...each, bytes: readFileSync(each.path) }));
const times = [];
for (let repeat = 0; repeat < repeats; repeat++) {
  const row = [];
  for (const each of loaded) row.push(await run(each));
  times.push(row);
}
process.stdout.write(JSON.stringify(times));
