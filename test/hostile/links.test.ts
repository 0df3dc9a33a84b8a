// What links say that they must not, and clients that take all there is.

import { LINK_FAMILIES } from './links.ts';
import { SLOW_FAMILIES } from './slow.ts';
import { runSequences } from './suite.ts';

runSequences({ ...LINK_FAMILIES, ...SLOW_FAMILIES });
