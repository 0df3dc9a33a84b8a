// The table: every case, group by group.

import type { Case } from './case.ts';
import { chmodCases, chownCases, setidCases } from './cases/chmod-chown.ts';
import { createCases } from './cases/create.ts';
import { dupCases, flagCases, opathCases, syncCases } from './cases/descriptors.ts';
import { fifoOpenCases, fifoCases } from './cases/fifo.ts';
import { flockCases, flockWaitCases } from './cases/flock.ts';
import { getdentsCases } from './cases/getdents.ts';
import { historyDescriptorCases, historyNameCases } from './cases/histories.ts';
import {
  inotifyOpenCases,
  inotifyDataCases,
  inotifyAttributeCases,
  inotifyCreateCases,
} from './cases/inotify-operations.ts';
import { inotifyRenameCases, inotifyQueueCases } from './cases/inotify-rename.ts';
import { inotifyUnlinkCases, inotifyExcludeCases } from './cases/inotify-unlink.ts';
import { inotifyWatchCases } from './cases/inotify-watches.ts';
import { linkCases } from './cases/link.ts';
import { lseekCases } from './cases/lseek.ts';
import { mkdirCases } from './cases/mkdir.ts';
import { mknodCases, whiteoutCases } from './cases/mknod.ts';
import { ofdLockCases } from './cases/ofd-locks.ts';
import { openCases } from './cases/open.ts';
import { openatCases } from './cases/openat.ts';
import { permissionCases, accessCases } from './cases/permissions.ts';
import { pipeCases, pipeWaitCases, pipePollCases } from './cases/pipe.ts';
import { readWriteCases } from './cases/read-write.ts';
import { getlkCases, setlkwCases } from './cases/record-lock-waits.ts';
import { recordLockCases } from './cases/record-locks.ts';
import { renameOrderCases } from './cases/rename-order.ts';
import { renameCases } from './cases/rename.ts';
import { resolutionCases } from './cases/resolution.ts';
import { statCases } from './cases/stat.ts';
import { symlinkCases } from './cases/symlink.ts';
import { timesCases } from './cases/times.ts';
import { truncateCases, fallocateCases } from './cases/truncate.ts';
import { unlinkCases, rmdirCases } from './cases/unlink.ts';
import { utimensCases } from './cases/utimensat.ts';
import { xattrErrorCases } from './cases/xattr-errors.ts';
import { xattrCases } from './cases/xattr.ts';

export const allCases: readonly Case[] = [
  ...chmodCases,
  ...chownCases,
  ...setidCases,
  ...createCases,
  ...dupCases,
  ...flagCases,
  ...opathCases,
  ...syncCases,
  ...fifoOpenCases,
  ...fifoCases,
  ...flockCases,
  ...flockWaitCases,
  ...getdentsCases,
  ...historyNameCases,
  ...historyDescriptorCases,
  ...inotifyOpenCases,
  ...inotifyDataCases,
  ...inotifyAttributeCases,
  ...inotifyCreateCases,
  ...inotifyRenameCases,
  ...inotifyQueueCases,
  ...inotifyUnlinkCases,
  ...inotifyExcludeCases,
  ...inotifyWatchCases,
  ...linkCases,
  ...lseekCases,
  ...mkdirCases,
  ...mknodCases,
  ...whiteoutCases,
  ...ofdLockCases,
  ...openCases,
  ...openatCases,
  ...permissionCases,
  ...accessCases,
  ...pipeCases,
  ...pipeWaitCases,
  ...pipePollCases,
  ...readWriteCases,
  ...getlkCases,
  ...setlkwCases,
  ...recordLockCases,
  ...renameOrderCases,
  ...renameCases,
  ...resolutionCases,
  ...statCases,
  ...symlinkCases,
  ...timesCases,
  ...truncateCases,
  ...fallocateCases,
  ...unlinkCases,
  ...rmdirCases,
  ...utimensCases,
  ...xattrErrorCases,
  ...xattrCases,
];
