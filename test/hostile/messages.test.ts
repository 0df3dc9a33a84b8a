// What single messages say that they must not, one field at a time.

import {
  FD_SEQUENCES,
  NAME_SEQUENCES,
  NUMBER_SEQUENCES,
  READ_ONLY_SEQUENCES,
} from './generated.ts';
import { runSequences } from './suite.ts';

runSequences({
  names: NAME_SEQUENCES,
  FDs: FD_SEQUENCES,
  numbers: NUMBER_SEQUENCES,
  'a read-only server': READ_ONLY_SEQUENCES,
});
