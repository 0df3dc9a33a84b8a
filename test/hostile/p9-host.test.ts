// 9P, and somebody on the host who helps.

import { P9_HOST_FAMILIES } from './p9-host.ts';
import { runSequences } from './suite.ts';

runSequences(P9_HOST_FAMILIES);
