// The public API of burrowfs.

export { boot } from '../worker/kernel-client.ts';
export { FsError, KernelError } from '../worker/fs-error.ts';
export type * from './api.ts';
export type * from './api-links.ts';
export type * from './api-snapshots.ts';
export type * from './api-storage.ts';
export type * from './archive/options.ts';
export type * from './fs/gofer/mount-options.ts';
export type * from './image/options.ts';
