// The benchmarks' results as a document: goals, then tables.

import { writeFile } from 'node:fs/promises';

const SUBJECTS = {
  core: 'Burrow, core',
  inline: 'Burrow, inline task',
  worker: 'Burrow, threaded task',
  shim: 'browser_wasi_shim',
  memfs: 'memfs',
  'zenfs-memory': 'ZenFS InMemory',
  'zenfs-indexeddb': 'ZenFS IndexedDB',
  lightning: 'LightningFS',
  opfs: 'OPFS handles',
  'round-trip': 'bare Atomics',
};

const OPERATIONS = {
  stat: 'stat',
  missing: 'stat, ENOENT',
  open: 'open + close',
  read: 'read 4 KiB',
  write: 'write 4 KiB',
  readdir: 'list 1,000 entries',
  create: 'create + unlink',
  rename: 'rename',
  tell: 'fd_tell / round trip',
};

const MIB = 2 ** 20;

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Of two things measured in the same rounds: how much more the first takes than the second. */
const ratioOf = (samples, others) => median(samples.map((value, round) => value / others[round]));

const factor = (value) => `${value.toFixed(2)} ×`;

function duration(nanoseconds) {
  if (nanoseconds < 1e3) return `${nanoseconds.toFixed(0)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  return `${Number((nanoseconds / 1e6).toPrecision(3))} ms`;
}

const milliseconds = (value) => duration(value * 1e6);
const mebibytes = (bytes) => `${Math.round(bytes / MIB)} MiB`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = line(head.map((_, index) => (index === 0 ? '---' : '--:')));
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** What is to be reached: what it is, what it came to, the bound, and whether it holds. */
function goalsOf({
  operations,
  'small-files': files,
  storage,
  tree,
  peers,
  memory,
  sparse,
  gofer,
}) {
  const goals = [];
  const add = (what, value, bound, isMet) => goals.push([what, value, bound, isMet]);
  const atMost = (what, value, bound) => add(what, factor(value), `≤ ${bound} ×`, value <= bound);
  if (operations !== undefined) {
    for (const operation of ['stat', 'open', 'read']) {
      const { core, memfs, 'zenfs-memory': zenfs } = operations[operation];
      const name = OPERATIONS[operation];
      atMost(`core, ${name}: time of memfs’s`, ratioOf(core, memfs), 1);
      const speedup = ratioOf(zenfs, core);
      add(`core, ${name}: faster than ZenFS InMemory`, factor(speedup), '≥ 3 ×', speedup >= 3);
    }
    const { inline, shim } = operations.read;
    atMost('inline task, read 4 KiB: time of browser_wasi_shim’s', ratioOf(inline, shim), 1);
    const { worker, 'round-trip': bare } = operations.tell;
    atMost('threaded task, fd_tell: time of a bare round trip’s', ratioOf(worker, bare), 1.5);
  }
  if (files !== undefined) {
    const count = files.counts.burrow.toLocaleString('en');
    const what = `${count} small files created and committed: time of setMany’s`;
    atMost(what, creationRatio(files, 'later'), 0.35);
  }
  goals.push(...storageGoals(storage));
  if (tree !== undefined) {
    for (const [media, runs] of Object.entries(tree.times)) {
      const what = `find of ${tree.files.toLocaleString('en')} files, nothing cached, ${media}`;
      const ratio = ratioOf(
        runs.map((run) => run.find),
        runs.map((run) => run.getAll),
      );
      atMost(`${what}: time of getAll()`, ratio, 2);
    }
  }
  if (peers !== undefined) goals.push(...peerGoals(peers.times));
  for (const [work, { inUse }] of Object.entries(memory ?? {})) {
    add(`memory in use, ${work}`, mebibytes(inUse), '≤ 164 MiB', inUse <= 164 * MIB);
  }
  const peak = sparse?.memory.peak ?? 0;
  if (peak > 0) {
    const what = 'sparse file of 5 GiB: the page’s resident memory at its peak';
    add(what, mebibytes(peak), '< 300 MiB', peak < 300 * MIB);
  }
  goals.push(...goferGoals(gofer));
  return goals;
}

/** Of what is done over a link whose answers take a while: its name, and round trips at most. */
const TRIPS = {
  stat: ['stat, a path of 8 components', 1],
  'stat, again': ['the same again', 0],
  'stat, again, writethrough': ['the same again, writethrough', 0],
  'stat, again, shared': ['the same again, shared', 1],
  'open, read, close': ['open, read and close a file of 4 KiB, 8 components down', 2],
  'ls -l': ['ls -l of 1,000 files', 3],
  // Two levels.
  find: ['find over 10,000 files in 100 directories', 2.4],
  'find, 9P': ['the same by a plain 9P client, one request at a time', undefined],
  create: ['1,000 files of 4 KiB created, and sync', undefined],
};

const HOST_CHANGES = { 'fs.watch': 'fs.watch', inotify: 'a program’s inotify' };

function goferGoals(gofer) {
  if (gofer === undefined) return [];
  const { transfers, trips, mib, hostChanges } = gofer;
  const goals = ['write', 'read'].map((work) => {
    const of = (subject) => transfers[subject].map((each) => each[work]);
    const value = ratioOf(of('frames'), of('gofer'));
    const what = `gofer, ${mib} MiB ${work === 'write' ? 'written and fsynced' : 'read'}`;
    const met = value >= 0.7;
    return [`${what}: speed of a bare WebSocket’s`, factor(value), '≥ 0.7 ×', met];
  });
  for (const [name, [what, most]] of Object.entries(TRIPS)) {
    if (most === undefined) continue;
    const { rounds } = trips[name];
    goals.push([`gofer, ${what}: round trips`, `${rounds}`, `≤ ${most}`, rounds <= most]);
  }
  for (const [how, times] of Object.entries(hostChanges)) {
    const worst = Math.max(...times);
    const what = `gofer, a change on the host, told by ${HOST_CHANGES[how]}, the worst`;
    goals.push([what, milliseconds(worst), '≤ 200 ms', worst <= 200]);
  }
  return goals;
}

/** Of Burrow's time to setMany's. `when`: in runs of a worker that has just started, or later. */
function creationRatio({ times }, when) {
  const create = (subject) => times[subject].map((each) => each[when].create);
  return ratioOf(create('burrow'), create('idb-keyval'));
}

function peerGoals(times) {
  return ['zenfs-indexeddb', 'lightning'].map((subject) => {
    const made = (runs) => runs.map((run) => run['make tree']);
    const speedup = ratioOf(made(times[subject]), made(times.burrow));
    const what = `small files created and committed: faster than ${SUBJECTS[subject]}`;
    return [what, factor(speedup), '≥ 10 ×', speedup >= 10];
  });
}

/** What is stored as files, against what the browser takes for the same bytes. */
function storageGoals(storage) {
  if (storage === undefined) return [];
  const { times, sizes } = storage;
  const samples = (subject, work) => times[subject].map((each) => each[work]);
  const large = `${sizes.sequentialMib} MiB`;
  const goals = [];
  const faster = (what, work, bound) => {
    const value = ratioOf(samples('raw indexeddb', work), samples('indexeddb', work));
    goals.push([`IndexedDB alone, ${what}`, factor(value), `≥ ${bound} ×`, value >= bound]);
  };
  const atMost = (what, [subject, floor, work], bound) => {
    const value = ratioOf(samples(subject, work), samples(floor, work));
    goals.push([what, factor(value), `≤ ${bound} ×`, value <= bound]);
  };
  faster(`${large} written: speed of bulk puts of 1 MiB`, 'write', 0.8);
  faster(`${large} read, nothing cached: speed of bulk gets`, 'read', 0.8);
  faster('4 KiB here and there, fsync each 100: speed of puts', 'overwrite', 0.5);
  atMost(
    'IndexedDB alone, fsync of a small change: time of a put’s',
    ['indexeddb', 'raw indexeddb', 'fsync'],
    1.6,
  );
  atMost(
    'mirrored, fsync of a small change: time of a write and flush in OPFS',
    ['mirrored', 'raw opfs', 'fsync'],
    3,
  );
  atMost(
    'mirrored, reads of 4 KiB, nothing cached: time of those in OPFS',
    ['mirrored', 'raw opfs', 'random read'],
    3,
  );
  return goals;
}

function goalSection(results) {
  const rows = goalsOf(results).map(([what, value, bound, isMet]) => [
    ...[what, value, bound],
    isMet ? 'met' : '**not met**',
  ]);
  return ['## Goals', table(['', 'measured', 'goal', ''], rows)];
}

function operationSection({ operations }) {
  if (operations === undefined) return [];
  const names = Object.keys(SUBJECTS).filter((name) =>
    Object.values(operations).some((samples) => name in samples),
  );
  const kinds = Object.keys(OPERATIONS).filter((operation) => operation in operations);
  const cell = (samples) => (samples === undefined ? '–' : duration(median(samples)));
  const rows = names.map((name) => [
    SUBJECTS[name],
    ...kinds.map((operation) => cell(operations[operation][name])),
  ]);
  return [
    '## One operation',
    'A program that makes WASI calls and nothing else (`syscall-loop.c`) runs as a task and ' +
      'under browser_wasi_shim; the others are called from JavaScript, each in a worker of ' +
      'its own. ' +
      'LightningFS has no open files: there a read or write is one of a whole file of 4 KiB. ' +
      'OPFS resolves no paths: a file is looked up in its folder.',
    table(['', ...kinds.map((operation) => OPERATIONS[operation])], rows),
  ];
}

function filesSection({ 'small-files': files }) {
  if (files === undefined) return [];
  const most = files.counts.burrow;
  const rows = Object.entries(files.times).map(([subject, times]) => {
    const count = files.counts[subject];
    const cell = (phase, when = 'later') => {
      const value = median(times.map((each) => each[when][phase]));
      const scaled = (value * most) / count;
      return count === most
        ? milliseconds(value)
        : `${milliseconds(scaled)} (${count.toLocaleString('en')} took ${milliseconds(value)})`;
    };
    const name = { burrow: 'Burrow, idbfs' }[subject] ?? SUBJECTS[subject] ?? subject;
    return [name, cell('create'), cell('create', 'first'), cell('read'), cell('delete')];
  });
  const first = factor(creationRatio(files, 'first'));
  const count = most.toLocaleString('en');
  return [
    `## ${count} files of 1 KiB, persistently`,
    'idb-keyval stores one record a file with `setMany`, `getMany` and `delMany`: no names to ' +
      'look up, no attributes, no folders. Burrow ends with a strict `sync`, idb-keyval commits ' +
      'as it does by default (relaxed) or strictly. Each begins a second after the one before, ' +
      'whose files the browser may still be merging. Like single operations, all are measured ' +
      'when the engine has compiled what is run often: in a new worker, each does the same twice ' +
      'before. The first of these, in a worker that has just started, is given as well: there ' +
      `Burrow takes ${first} the time of setMany’s. What takes too long is measured on fewer ` +
      'files and scaled.',
    table(
      ['', 'create and commit', 'the first time', 'read, nothing cached', 'delete and commit'],
      rows,
    ),
  ];
}

function storageSection({ storage }) {
  if (storage === undefined) return [];
  const { times, sizes } = storage;
  const { sequentialMib, randomMib, blocks, reads, fsyncs } = sizes;
  const value = (runs, work) => median(runs.map((each) => each[work]));
  const rate = (runs, work) => `${Math.round((sequentialMib * 1000) / value(runs, work))} MiB/s`;
  const each = (runs, work, count) => duration((value(runs, work) * 1e6) / count);
  const name = (subject) =>
    ({ mirrored: 'Burrow, mirrored', indexeddb: 'Burrow, IndexedDB alone' })[subject] ?? subject;
  const rows = Object.entries(times).map(([subject, runs]) => [
    name(subject),
    rate(runs, 'write'),
    rate(runs, 'read'),
    each(runs, 'random read', reads[subject]),
    each(runs, 'overwrite', blocks),
    each(runs, 'fsync', fsyncs),
  ]);
  return [
    '## Large files and single writes',
    `A file of ${sequentialMib} MiB is written, fsynced and, with nothing cached, read; one of ` +
      `${randomMib} MiB is read in blocks of 4 KiB here and there, each at most once, and then ` +
      'overwritten, with an fsync each hundred. The raw ones are what the browser takes for the ' +
      'same bytes with no names, sizes or checksums: records of 1 MiB or 4 KiB with strict ' +
      'transactions, and a file in OPFS behind a synchronous handle. Reads of 4 KiB and fsyncs ' +
      'are measured when the engine has compiled what is run often: each does the same twice ' +
      'before, with other files. The first of these takes Burrow, mirrored, ' +
      `${each(times.mirrored, 'random read, first', reads.mirrored)} a read and ` +
      `${each(times.mirrored, 'fsync, first', fsyncs)} an fsync; where the browser’s own file ` +
      `behind a handle takes ${each(times['raw opfs'], 'random read, first', reads['raw opfs'])} ` +
      `and ${each(times['raw opfs'], 'fsync, first', fsyncs)}.`,
    table(['', 'write', 'read', 'read 4 KiB', 'overwrite 4 KiB', 'write 100 bytes + fsync'], rows),
  ];
}

function treeSection({ tree }) {
  if (tree === undefined) return [];
  const { files, times } = tree;
  const rows = Object.entries(times).map(([media, runs]) => [
    media,
    ...['stat', 'find', 'getAll'].map((work) => milliseconds(median(runs.map((run) => run[work])))),
  ]);
  return [
    `## A tree of ${files.toLocaleString('en')} files`,
    'With nothing in memory: a mount and the first stat of a deep path; listing all directories, ' +
      'as find does; and, of the same database, one getAll() of its records.',
    table(['', 'mount + stat', 'find /', 'getAll()'], rows),
  ];
}

function peersSection({ peers }) {
  if (peers === undefined) return [];
  const { sizes, times } = peers;
  const works = ['write', 'read', 'read piece', 'overwrite piece', 'make tree', 'open tree'];
  const rows = Object.entries(times).map(([subject, runs]) => [
    subject === 'burrow' ? 'Burrow, idbfs' : SUBJECTS[subject],
    ...works.map((work) => milliseconds(median(runs.map((run) => run[work])))),
  ]);
  const files = sizes.files.toLocaleString('en');
  return [
    '## Beside others’ filesystems on IndexedDB',
    `A file of ${sizes.fileMib} MiB, which Burrow gets in pieces of 1 MiB and the others in one ` +
      'call; 4 KiB in the middle of it; ' +
      `a tree of ${files} files of 1 KiB, and a mount of it with the first stat. ` +
      'Reads and mounts find nothing in memory, writes end with what makes them durable. ' +
      'LightningFS can only read and write whole files.',
    table(
      [
        '',
        `write ${sizes.fileMib} MiB`,
        `read ${sizes.fileMib} MiB`,
        'read 4 KiB',
        'overwrite 4 KiB',
        `make ${files} files`,
        'mount + stat',
      ],
      rows,
    ),
  ];
}

function memorySection({ memory }) {
  if (memory === undefined) return [];
  const rows = Object.entries(memory).map(([work, { before, peak, after, inUse }]) => [
    work,
    ...[inUse, before, peak, after].map(mebibytes),
  ]);
  return [
    '## Memory',
    'With caches of 64 MiB for data. In use: the heap of the kernel’s worker and its buffers, ' +
      'each half second right after garbage was collected, at most. Resident: the page’s whole ' +
      'process in another browser, where garbage stays until the engine collects it by itself, ' +
      'before the work, at most, and right after it.',
    table(['', 'in use', 'resident before', 'at most', 'after'], rows),
  ];
}

function programSection({ programs, runs }) {
  if (programs === undefined) return [];
  const rows = Object.entries(programs).map(([name, browsers]) => {
    const firsts = (index) => browsers.map((repeats) => repeats[0][index]);
    const others = (index) => browsers.flatMap((repeats) => repeats.slice(1).map((r) => r[index]));
    const title = name.startsWith('Node') ? name : `Burrow, ${name}`;
    return [
      title,
      ...runs.flatMap((_, index) => [
        milliseconds(median(firsts(index))),
        milliseconds(median(others(index))),
      ]),
    ];
  });
  const head = ['', ...runs.flatMap(({ title }) => [`${title}, first`, 'again'])];
  return [
    '## Programs',
    'From start to exit. The first start of a program compiles it. Node’s WASI is another host ' +
      'with another engine version, its files are the system’s, and it leaves nothing for a ' +
      'second start to wait for.',
    table(head, rows),
  ];
}

function sparseSection({ sparse }) {
  if (sparse === undefined) return [];
  const { memory, measuredBytes } = sparse;
  const rows = Object.entries(sparse.milliseconds).map(([name, value]) => [
    name,
    milliseconds(value),
  ]);
  const resident =
    memory.peak === 0
      ? ''
      : `The page’s process (kernel worker included) had ${mebibytes(memory.before)} resident ` +
        `before, ${mebibytes(memory.peak)} at most and ${mebibytes(memory.after)} after. `;
  return [
    '## A sparse file of 5 GiB on idbfs',
    `${resident}The browser’s own count (\`measureUserAgentSpecificMemory\`) at the end: ` +
      `${mebibytes(measuredBytes)}.`,
    table(['', 'time'], rows),
  ];
}

function goferSection({ gofer }) {
  if (gofer === undefined) return [];
  const { transfers, trips, mib, delayMs, hostChanges } = gofer;
  const rate = (runs, work) =>
    `${Math.round((mib * 1000) / median(runs.map((each) => each[work])))} MiB/s`;
  const names = { gofer: 'Burrow, gofer', frames: 'bare WebSocket' };
  const speeds = Object.entries(transfers).map(([subject, runs]) => [
    names[subject],
    rate(runs, 'write'),
    rate(runs, 'read'),
  ]);
  const rows = Object.entries(TRIPS).map(([name, [what]]) => {
    const { requests, rounds, ms } = trips[name];
    return [what, `${requests}`, `${rounds}`, milliseconds(ms)];
  });
  return [
    '## A gofer',
    '`burrowfs gofer` in a process of its own on the same machine, on a folder in memory ' +
      `(tmpfs), as bare frames go to no disk either. A file of ${mib} MiB is ` +
      'written and fsynced and, mounted anew, read. The bare WebSocket carries the same bytes to ' +
      'and from another process that does nothing with them, in frames of 1 MiB, 16 at once.',
    table(['', 'write', 'read'], speeds),
    `The same with answers that take ${delayMs} ms. Each is done right after the mount, in ` +
      'exclusive mode unless another is named. Round trips are those that somebody waited for ' +
      'one after the other.',
    table(['', 'requests', 'round trips', 'time'], rows),
    'A file that is made on the host, until a page knows that watches its directory. The page ' +
      'asks another process for it by a WebSocket, which is in the time. The server looks for ' +
      'changes every 15 ms.',
    table(['', 'changes', 'median', 'worst'], hostChangeRows(hostChanges)),
  ];
}

function hostChangeRows(hostChanges) {
  return Object.entries(hostChanges).map(([how, times]) => [
    HOST_CHANGES[how],
    `${times.length}`,
    ...[median(times), Math.max(...times)].map(milliseconds),
  ]);
}

/** Writes the document if every suite was run; returns it in any case. */
export async function writeResults(results, { path, suites }) {
  const load = results.load.map((value) => value.toFixed(1)).join(', ');
  const isWhole = suites.every((suite) => suite in results) && !results.isQuick;
  const text = [
    '# Benchmarks',
    `Measured with \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: Chromium ` +
      `${results.browser ?? ''} (headless), ${results.cores} cores, load ${load} while it ran.`,
    'How to read this: trust the ratios, not the times. Everything compared was measured in one ' +
      'run, in turns, and what is shown is the median; a machine that does other things as well ' +
      'slows all of it down alike.',
    ...goalSection(results),
    ...operationSection(results),
    ...filesSection(results),
    ...storageSection(results),
    ...programSection(results),
    ...treeSection(results),
    ...peersSection(results),
    ...memorySection(results),
    ...sparseSection(results),
    ...goferSection(results),
  ].join('\n\n');
  // The format check looks at the committed results, too.
  const { format, resolveConfig } = await import('prettier');
  const formatted = await format(text, { ...(await resolveConfig(path)), filepath: path });
  if (isWhole) await writeFile(path, formatted);
  return formatted;
}
