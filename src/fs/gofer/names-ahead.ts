// Which names of a path can be asked for at once.

import { NAME_MAX } from '../../abi/limits.ts';
import { isLongerThan } from '../../lib/text.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { isDots } from '../shared/local-tree.ts';

/** Names up to the next "." or ".." of a path, from the current component on. */
export function namesAhead(rp: ResolvingPath): string[] {
  const names: string[] = [];
  for (const name of rp.rest.split('/')) {
    if (name === '') continue;
    if (isDots(name) || isLongerThan(name, NAME_MAX)) break;
    names.push(name);
  }
  return names;
}
