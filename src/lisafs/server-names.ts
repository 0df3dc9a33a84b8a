// What removes names, and moves them. Mirrors gVisor pkg/lisafs/handlers.go (UnlinkAtHandler,
// RenameAtHandler), node.go.

import { linuxerr } from '../abi/errno.ts';
import { AT_REMOVEDIR, RENAME_EXCHANGE } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import type { Node } from './node.ts';
import type { RequestOf } from './messages.ts';
import type { ServedFile } from './served-file.ts';
import type { ControlFD } from './server-fds.ts';
import { checkName, checkThere, type Handlers, type Request, withWrite } from './server-request.ts';

function* unlink(
  request: Request,
  directory: ControlFD,
  { name, flags }: { readonly name: string; readonly flags: number },
): Op<void> {
  const { node, file } = directory;
  const child = node.hold(name);
  try {
    // Nobody opens it meanwhile, or makes anything in it.
    yield* withWrite(child.opMu, () => file.unlink(name, flags));
    request.entryChanged(directory, name);
    request.gone(child);
    node.remove(name);
  } finally {
    child.release();
  }
}

/** A directory can't be moved into itself: the host tells. */
function* rename(request: Request, values: RequestOf<'RenameAt'>, flags: number): Op<void> {
  const { oldDir, newDir, oldName, newName } = values;
  checkName(oldName);
  checkName(newName);
  const [from, to] = yield* request.both(
    () => request.directory(oldDir),
    () => request.directory(newDir),
    [oldDir, newDir],
  );
  yield* request.alone(function* () {
    checkThere(from.node, to.node);
    if (from.node === to.node && oldName === newName) return;
    yield* from.file.rename(oldName, to.file, newName, flags);
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    // Of two links of one file, both stay.
    if (!isExchange && (yield* isThere(from.file, oldName))) return;
    const replaced = to.node.peek(newName);
    request.entryChanged(from, oldName);
    request.entryChanged(to, newName);
    request.attributesChanged(from.node.peek(oldName));
    if (isExchange) request.attributesChanged(replaced);
    else if (replaced !== undefined) request.gone(replaced);
    from.node.rename(oldName, to.node, newName, isExchange);
    tellRenamed(to.node, newName);
    if (isExchange) tellRenamed(from.node, oldName);
  });
}

function* isThere(directory: ServedFile, name: string): Op<boolean> {
  try {
    yield* directory.statAt(name);
    return true;
  } catch (error) {
    if (error !== linuxerr.ENOENT) throw error;
    return false;
  }
}

function tellRenamed(directory: Node, name: string): void {
  directory.peek(name)?.tellRenamed();
}

export const NAME_HANDLERS: Handlers<'UnlinkAt' | 'RenameAt' | 'RenameAt2'> = {
  *UnlinkAt(request, { dirFD, flags, name }) {
    checkName(name);
    const directory = yield* request.directory(dirFD);
    if ((flags & ~AT_REMOVEDIR) !== 0) throw linuxerr.EINVAL;
    yield* request.writing(directory.node, function* () {
      checkThere(directory.node);
      yield* unlink(request, directory, { name, flags });
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
