// rename(2) at the same time as others that look at, or change, what it moves.

import { RENAMES } from './rename-scenarios.ts';
import { testScenarios } from './suite.ts';

testScenarios(RENAMES);
