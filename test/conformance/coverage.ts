// What of gVisor's tests (test/syscalls/linux/NAME.cc) the cases assert: the files here that test
// renames, links, opens, data, locks, extended attributes and inotify.
//
// Of each test the record names the cases that assert what it asserts; a few are asserted by unit
// tests, because a case has no pointers; the rest is left out, with the reason.

import { creationCoverage } from './coverage/creation.ts';
import { filesCoverage } from './coverage/files.ts';
import { locksCoverage } from './coverage/locks.ts';
import { namesCoverage } from './coverage/names.ts';
import { watchesAndAttributesCoverage } from './coverage/watches-and-attributes.ts';

/** File of tests → test → title of the case, or of several that assert it together. */
export type Coverage = Readonly<
  Record<string, Readonly<Record<string, string | readonly string[]>>>
>;

export const COVERAGE: Coverage = {
  ...namesCoverage,
  ...creationCoverage,
  ...filesCoverage,
  ...locksCoverage,
  ...watchesAndAttributesCoverage,
};

/** `file test`, asserted by a unit test. */
export const UNIT_TESTED = {
  file: 'test/unit/wasi/guest-memory.test.ts',
  title: 'reaches to the last byte, and not beyond',
  tests: [
    'unlink.cc BadNamePtr',
    'open.cc Fault',
    'pread64.cc BadBuffer',
    'pwrite64.cc NullBuffer',
    'xattr.cc XattrNullName',
    'xattr.cc SetXattrNullValueAndNonzeroSize',
    'xattr.cc GetXattrNullValue',
    'xattr.cc ListXattrNullBuffer',
  ],
} as const;

/** Why → `file test`. */
export const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  'no signals: nobody owns the events of a descriptor': [
    'fcntl.cc GetOwnNone',
    'fcntl.cc GetOwnExNone',
    'fcntl.cc SetOwnInvalidPid',
    'fcntl.cc SetOwnInvalidPgrp',
    'fcntl.cc SetOwnPid',
    'fcntl.cc SetOwnPgrp',
    'fcntl.cc SetOwnUnset',
    'fcntl.cc SetOwnOverflow',
    'fcntl.cc SetOwnExInvalidType',
    'fcntl.cc SetOwnExInvalidTid',
    'fcntl.cc SetOwnExInvalidPid',
    'fcntl.cc SetOwnExInvalidPgrp',
    'fcntl.cc SetOwnExTid',
    'fcntl.cc SetOwnExPid',
    'fcntl.cc SetOwnExPgrp',
    'fcntl.cc SetOwnExUnset',
    'fcntl.cc GetOwnExTid',
    'fcntl.cc GetOwnExPid',
    'fcntl.cc GetOwnExPgrp',
  ],
  'no signals: none is chosen or sent for the events of a descriptor': [
    'fcntl.cc SetSig',
    'fcntl.cc SetSigDefaultsToZero',
    'fcntl.cc SetSigToDefault',
    'fcntl.cc SetSigInvalid',
    'fcntl.cc SetSigInvalidDoesNotResetPreviousChoice',
    'fcntl.cc FcntlSignalTest.SetSigDefault',
    'fcntl.cc FcntlSignalTest.SignalFD',
    'fcntl.cc FcntlSignalTest.SignalFDSetSigAfterASYNC',
    'fcntl.cc FcntlSignalTest.SetSigCustom',
    'fcntl.cc FcntlSignalTest.SetSigUnregisterStillGetsSigio',
    'fcntl.cc FcntlSignalTest.SetSigWithSigioStillGetsSiginfo',
    'fcntl.cc FcntlSignalTest.SetSigDupThenCloseOld',
    'fcntl.cc FcntlSignalTest.SetSigDupThenCloseNew',
    'fcntl.cc FcntlSignalTest.SetSigDupOldRegistered',
    'fcntl.cc FcntlSignalTest.SetSigDupNewRegistered',
    'fcntl.cc FcntlSignalTest.SetSigDupBothRegistered',
    'fcntl.cc FcntlSignalTest.SetSigDupBothRegisteredAfterDup',
    'fcntl.cc FcntlSignalTest.SetSigDupUnregisterOld',
    'fcntl.cc FcntlSignalTest.SetSigDupUnregisterNew',
    'fcntl.cc SetFlSetOwnSetSigDoNotRace',
  ],
  'no /proc and /sys, whose files and directories are made up when they are read': [
    'getdents.cc Issue128ProcSeekEnd',
    'getdents.cc ReaddirTest.Bug24096713ProcTid',
    'getdents.cc ReaddirTest.Bug33429925Proc',
    'lseek.cc ProcDir',
    'lseek.cc SysDir',
    'lseek.cc ProcFile',
    'rename.cc SysfsDirectoryToSelf',
  ],
  'no sockets, and no descriptors of timers, signals and events': [
    'flock.cc FlockSocket',
    'fcntl.cc SetLockSocket',
    'pread64.cc CantReadSocketPair',
    'pwrite64.cc Socket',
    'fallocate.cc FallocateOtherFDs',
  ],
  'no namespaces of users and processes': [
    'xattr.cc TrustedNamespaceWithCapSysAdminInNewUserns',
    'fcntl.cc GetLockRespectsPIDNamespace',
  ],
  'no limit on the size of files, RLIMIT_FSIZE, and no SIGXFSZ': ['fallocate.cc FallocateRlimit'],
  'no exec: a program is loaded outside of the kernel': ['inotify.cc Exec'],
  'a process keeps its credentials, and no descriptor goes from one to another': [
    'link.cc LinkAtWithEmptyPathNeedsCapDacReadSearch',
  ],
  'directory entries come as records: there is no buffer that could be too small in part': [
    'getdents.cc PartialBuffer',
  ],
};
