// Stands for the modules of Node that memfs wants: .tools/bench.mjs makes node:path and the others
// lead here. Types of what has none: untyped-modules.d.ts.

import { Buffer } from 'buffer/index.js';
import { EventEmitter } from 'events/events.js';
import path from 'path-browserify';
import { Readable, Writable } from 'readable-stream';

const { URL } = globalThis;
const { basename, dirname, isAbsolute, join, normalize, posix, relative, resolve, sep } = path;

export { basename, dirname, isAbsolute, join, normalize, posix, relative, resolve, sep };
export { Buffer, EventEmitter, Readable, URL, Writable };
