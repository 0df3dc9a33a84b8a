// Ways out of the folder, what isn't a file, and rights that a client has no right to.

import { HOST_FAMILIES } from './host.ts';
import { runSequences } from './suite.ts';

runSequences(HOST_FAMILIES);
