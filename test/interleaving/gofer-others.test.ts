// The scenarios of gofer-others-scenarios.ts: two mounts of one server, every frame a step.

import { OTHERS } from './gofer-others-scenarios.ts';
import { testOnGofers } from './gofer-suite.ts';
import type { GoferMode } from './stepped-gofer.ts';

/** In which others may change what is kept here, and say so. */
const MODES: readonly GoferMode[] = [
  { title: 'writethrough', cache: 'writethrough' },
  { title: 'writethrough, all known', cache: 'writethrough', isWarm: true },
];

testOnGofers(OTHERS, MODES);
