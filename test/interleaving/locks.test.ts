// Locks and watches, while descriptors are closed and names change.

import { LOCKS } from './locks-scenarios.ts';
import { testScenarios } from './suite.ts';

testScenarios(LOCKS);
