// The table: every case, group by group.

import type { Case } from './case.ts';
import { chmodCases, chownCases, setidCases } from './cases/chmod-chown.ts';
import { createCases } from './cases/create.ts';
import { dupCases, flagCases, opathCases, syncCases } from './cases/descriptors.ts';
import { getdentsCases } from './cases/getdents.ts';
import { linkCases } from './cases/link.ts';
import { lseekCases } from './cases/lseek.ts';
import { mkdirCases } from './cases/mkdir.ts';
import { openCases } from './cases/open.ts';
import { openatCases } from './cases/openat.ts';
import { accessCases, permissionCases } from './cases/permissions.ts';
import { readWriteCases } from './cases/read-write.ts';
import { renameCases } from './cases/rename.ts';
import { renameOrderCases } from './cases/rename-order.ts';
import { resolutionCases } from './cases/resolution.ts';
import { statCases } from './cases/stat.ts';
import { symlinkCases } from './cases/symlink.ts';
import { timesCases } from './cases/times.ts';
import { fallocateCases, truncateCases } from './cases/truncate.ts';
import { rmdirCases, unlinkCases } from './cases/unlink.ts';
import { utimensCases } from './cases/utimensat.ts';

export const allCases: readonly Case[] = [
  ...openCases,
  ...openatCases,
  ...createCases,
  ...renameCases,
  ...renameOrderCases,
  ...unlinkCases,
  ...rmdirCases,
  ...linkCases,
  ...symlinkCases,
  ...mkdirCases,
  ...getdentsCases,
  ...truncateCases,
  ...fallocateCases,
  ...statCases,
  ...timesCases,
  ...utimensCases,
  ...permissionCases,
  ...accessCases,
  ...chmodCases,
  ...chownCases,
  ...setidCases,
  ...readWriteCases,
  ...lseekCases,
  ...dupCases,
  ...flagCases,
  ...opathCases,
  ...syncCases,
  ...resolutionCases,
];
