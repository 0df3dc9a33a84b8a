// The scenarios of data-scenarios.ts on a gofer mount, every frame a step.

import { testOnGofers } from './gofer-suite.ts';
import { DATA } from './data-scenarios.ts';

testOnGofers(DATA);
