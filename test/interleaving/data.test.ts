// Reads, writes, cuts, commits and the end of files at the same time.

import { DATA } from './data-scenarios.ts';
import { testScenarios } from './suite.ts';

testScenarios(DATA);
