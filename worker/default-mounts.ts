// What is mounted unless boot() is told otherwise.

import type { MountSpec } from '../src/api.ts';

export const DEFAULT_MOUNTS: Readonly<Record<string, MountSpec>> = {
  '/': { type: 'idbfs' },
  '/dev': { type: 'devfs' },
  '/tmp': { type: 'tmpfs' },
};
