// The table: every case of preview1, group by group.

import type { Preview1Case } from './case.ts';
import { filestatCases, spaceCases, timesCases } from './cases/attributes.ts';
import { fdstatCases, prestatCases, renumberCases, rightsCases } from './cases/descriptors.ts';
import { escapeCases } from './cases/escapes.ts';
import { openCases, readdirCases, textCases } from './cases/paths.ts';
import { pollCases } from './cases/poll.ts';
import { clockCases, processCases, randomCases, stringCases } from './cases/process.ts';
import { bufferCases, readWriteCases, seekCases } from './cases/read-write.ts';

export const ALL_CASES: readonly Preview1Case[] = [
  ...stringCases,
  ...clockCases,
  ...randomCases,
  ...processCases,
  ...bufferCases,
  ...readWriteCases,
  ...seekCases,
  ...filestatCases,
  ...timesCases,
  ...spaceCases,
  ...prestatCases,
  ...renumberCases,
  ...fdstatCases,
  ...rightsCases,
  ...pollCases,
  ...textCases,
  ...openCases,
  ...readdirCases,
  ...escapeCases,
];
