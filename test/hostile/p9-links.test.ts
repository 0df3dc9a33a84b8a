// Links and files of 9P, by WebSocket and by TCP.

import { P9_FILE_FAMILIES } from './p9-files.ts';
import { P9_LIMIT_FAMILIES } from './p9-limits.ts';
import { P9_LINK_FAMILIES } from './p9-links.ts';
import { P9_VERSION_FAMILIES } from './p9-versions.ts';
import { runSequences } from './suite.ts';

runSequences({
  ...P9_LINK_FAMILIES,
  ...P9_VERSION_FAMILIES,
  ...P9_FILE_FAMILIES,
  ...P9_LIMIT_FAMILIES,
});
