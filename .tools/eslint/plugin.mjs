// The project's own lint rules. Tested by test/lint/.

import { importDirection } from './import-direction.mjs';
import { noBarrel } from './no-barrel.mjs';
import { noDroppedOp } from './no-dropped-op.mjs';
import { platformGlobals } from './platform-globals.mjs';

export const burrow = {
  meta: { name: 'burrow' },
  rules: {
    'import-direction': importDirection,
    'no-barrel': noBarrel,
    'no-dropped-op': noDroppedOp,
    'platform-globals': platformGlobals,
  },
};
