// What removes names, and moves them. Mirrors gVisor pkg/lisafs/handlers.go (UnlinkAtHandler,
// RenameAtHandler).

import { linuxerr } from '../abi/errno.ts';
import { AT_REMOVEDIR } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import { checkName, checkThere } from '../served/locked.ts';
import { renameLocked, unlinkLocked } from '../served/names.ts';
import type { RequestOf } from './messages.ts';
import type { Handlers, Request } from './server-request.ts';

function* rename(request: Request, values: RequestOf<'RenameAt'>, flags: number): Op<void> {
  const { oldDir, newDir, oldName, newName } = values;
  checkName(oldName);
  checkName(newName);
  const [from, to] = yield* request.both(
    () => request.directory(oldDir),
    () => request.directory(newDir),
    [oldDir, newDir],
  );
  const { tree } = request.scope;
  const [source, target] = [
    { directory: from, name: oldName },
    { directory: to, name: newName },
  ];
  yield* tree.alone(() => renameLocked(tree, source, target, flags));
}

export const NAME_HANDLERS: Handlers<'UnlinkAt' | 'RenameAt' | 'RenameAt2'> = {
  *UnlinkAt(request, { dirFD, flags, name }) {
    checkName(name);
    const directory = yield* request.directory(dirFD);
    if ((flags & ~AT_REMOVEDIR) !== 0) throw linuxerr.EINVAL;
    yield* request.writing(directory, function* () {
      checkThere(directory.node);
      yield* unlinkLocked(request.scope.tree, directory, name, flags);
    });
    return {};
  },

  *RenameAt(request, values) {
    yield* rename(request, values, 0);
    return {};
  },

  *RenameAt2(request, { flags, ...values }) {
    yield* rename(request, values, flags);
    return {};
  },
};
