// The table: every case, group by group.

import type { Case } from './case.ts';
import { chmodCases, chownCases, setidCases } from './cases/chmod-chown.ts';
import { chdirCases, chrootCases } from './cases/chroot-chdir-getcwd.ts';
import { copyFileRangeCases } from './cases/copy-file-range.ts';
import { createCases } from './cases/create.ts';
import { dupCases, flagCases, opathCases, syncCases } from './cases/descriptors.ts';
import { punchHoleCases, fallocateErrorCases, rangeModeCases } from './cases/fallocate-modes.ts';
import { dupfdCases, descriptorFlagCases, asyncFlagCases } from './cases/fcntl.ts';
import { fifoOpenCases, fifoCases } from './cases/fifo.ts';
import { flockCases, flockWaitCases } from './cases/flock.ts';
import { getdentsCases } from './cases/getdents.ts';
import { inotifyNameCases } from './cases/inotify-names.ts';
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
import { bindMountCases, readOnlyMountCases, mountFlagCases } from './cases/mount-flags.ts';
import { mountCases, unmountCases, mountedBeforeCases, mountPointCases } from './cases/mount.ts';
import { ofdLockCases } from './cases/ofd-locks.ts';
import { openCases } from './cases/open.ts';
import { openatCases } from './cases/openat.ts';
import { otherFilesystemCases, edgeCases } from './cases/other-filesystems.ts';
import { permissionCases, accessCases } from './cases/permissions.ts';
import { pipeCases, pipeWaitCases, pipePollCases } from './cases/pipe.ts';
import { readWriteCases } from './cases/read-write.ts';
import { getlkCases, setlkwCases } from './cases/record-lock-waits.ts';
import { recordLockCases } from './cases/record-locks.ts';
import { renameOrderCases } from './cases/rename-order.ts';
import { renameCases } from './cases/rename.ts';
import { resolutionCases } from './cases/resolution.ts';
import { sendfileCases } from './cases/sendfile.ts';
import { statCases } from './cases/stat.ts';
import { statxCases } from './cases/statx.ts';
import { symlinkCases } from './cases/symlink.ts';
import { timesCases } from './cases/times.ts';
import { tmpfileCases, emptyPathLinkCases } from './cases/tmpfile.ts';
import { truncateCases, fallocateCases } from './cases/truncate.ts';
import { unlinkCases, rmdirCases } from './cases/unlink.ts';
import { utimensCases } from './cases/utimensat.ts';
import { waitingCases } from './cases/waiting.ts';
import { xattrErrorCases } from './cases/xattr-errors.ts';
import { xattrCases } from './cases/xattr.ts';

export const allCases: readonly Case[] = [
  ...chmodCases,
  ...chownCases,
  ...setidCases,
  ...chdirCases,
  ...chrootCases,
  ...copyFileRangeCases,
  ...createCases,
  ...dupCases,
  ...flagCases,
  ...opathCases,
  ...syncCases,
  ...punchHoleCases,
  ...fallocateErrorCases,
  ...rangeModeCases,
  ...dupfdCases,
  ...descriptorFlagCases,
  ...asyncFlagCases,
  ...fifoOpenCases,
  ...fifoCases,
  ...flockCases,
  ...flockWaitCases,
  ...getdentsCases,
  ...inotifyNameCases,
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
  ...bindMountCases,
  ...readOnlyMountCases,
  ...mountFlagCases,
  ...mountCases,
  ...unmountCases,
  ...mountedBeforeCases,
  ...mountPointCases,
  ...ofdLockCases,
  ...openCases,
  ...openatCases,
  ...otherFilesystemCases,
  ...edgeCases,
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
  ...sendfileCases,
  ...statCases,
  ...statxCases,
  ...symlinkCases,
  ...timesCases,
  ...tmpfileCases,
  ...emptyPathLinkCases,
  ...truncateCases,
  ...fallocateCases,
  ...unlinkCases,
  ...rmdirCases,
  ...utimensCases,
  ...waitingCases,
  ...xattrErrorCases,
  ...xattrCases,
];
