// Names that are made, removed, listed and followed at the same time.

import { NAMES } from './names-scenarios.ts';
import { testScenarios } from './suite.ts';

testScenarios(NAMES);
