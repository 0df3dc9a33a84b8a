// The scenarios of rename-scenarios.ts on a gofer mount, every frame a step.

import { testOnGofers } from './gofer-suite.ts';
import { RENAMES } from './rename-scenarios.ts';

testOnGofers(RENAMES);
