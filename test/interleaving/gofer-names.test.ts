// The scenarios of names-scenarios.ts on a gofer mount, every frame a step.

import { testOnGofers } from './gofer-suite.ts';
import { NAMES } from './names-scenarios.ts';

testOnGofers(NAMES);
