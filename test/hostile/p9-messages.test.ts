// What single messages of 9P say that they must not, one field at a time.

import {
  BODY_SEQUENCES,
  FID_SEQUENCES,
  NAME_SEQUENCES,
  NUMBER_SEQUENCES,
  READ_ONLY_SEQUENCES,
} from './p9-generated.ts';
import { runSequences } from './suite.ts';

runSequences({
  names: NAME_SEQUENCES,
  fids: FID_SEQUENCES,
  numbers: NUMBER_SEQUENCES,
  bodies: BODY_SEQUENCES,
  'a read-only server': READ_ONLY_SEQUENCES,
});
