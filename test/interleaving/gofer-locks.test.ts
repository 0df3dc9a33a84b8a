// The scenarios of locks-scenarios.ts on a gofer mount, every frame a step.

import { testOnGofers } from './gofer-suite.ts';
import { LOCKS } from './locks-scenarios.ts';

testOnGofers(LOCKS);
