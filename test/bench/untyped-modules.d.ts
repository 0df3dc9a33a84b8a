// Packages that come without types and are what Node's modules are: see node-builtins.ts.

declare module 'events/events.js' {
  export { EventEmitter } from 'node:events';
}

declare module 'path-browserify' {
  import type { PlatformPath } from 'node:path';
  const path: PlatformPath;
  export = path;
}

declare module 'readable-stream' {
  export { Readable, Writable } from 'node:stream';
}
