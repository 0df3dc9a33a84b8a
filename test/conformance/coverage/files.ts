// Which cases assert what gVisor's tests assert: truncate.cc to sync.cc.

import type { Coverage } from '../coverage.ts';

export const filesCoverage: Coverage = {
  'truncate.cc': {
    'FixtureTruncateTest.Truncate': [
      'truncate shortens a file',
      'truncate lengthens a file with zeros',
    ],
    'FixtureTruncateTest.Ftruncate': [
      'truncate shortens a file',
      'truncate and ftruncate return EINVAL for a negative length',
      'what ftruncate cut off reads as zeros when the file grows again',
    ],
    FtruncateShrinkGrow: 'what ftruncate cut off reads as zeros when the file grows again',
    TruncateDir: 'truncate returns EISDIR for a directory',
    FtruncateDir: 'ftruncate returns EINVAL for the descriptor of a directory',
    TruncateNonWriteable: 'truncate returns EACCES without permission to write',
    FtruncateNonWriteable:
      'ftruncate returns EINVAL for a description that was not opened for writing',
    FtruncateWithOpath: 'ftruncate returns EBADF for a closed descriptor and an O_PATH one',
    FtruncateWithoutWritePermission:
      'ftruncate needs no permission once the description is writable',
    TruncateNonExist: 'truncate returns ENOENT and ENOTDIR as any path does',
    FtruncateVirtualTmp: 'ftruncate needs no permission once the description is writable',
  },
  'fallocate.cc': {
    Fallocate: 'fallocate grows a file to the end of the range and never shrinks it',
    FallocateInvalid:
      'fallocate returns EINVAL for a negative offset and for a length that is not positive',
    FallocateReadonly: 'fallocate returns EBADF for a closed, a read-only and an O_PATH descriptor',
    FallocateWithOpath:
      'fallocate returns EBADF for a closed, a read-only and an O_PATH descriptor',
    FallocatePipe: 'a pipe has no size to change and nothing to flush',
    FallocateChar: 'fallocate of a device returns ENODEV',
  },
  'pread64.cc': {
    BadFileDescriptor: 'reading and writing return EBADF for closed and O_PATH descriptors',
    ZeroBuffer: 'pread and pwrite of no bytes return 0, of an empty file too',
    WriteOnlyNotReadable: 'a description opened with O_WRONLY can be written and not read',
    Pread64WithOpath: 'reading and writing return EBADF for closed and O_PATH descriptors',
    DirNotReadable: 'pread returns EISDIR for a directory',
    BadOffset: 'pread and pwrite return EINVAL for a negative offset',
    OffsetNotIncremented: 'pread reads at an offset and leaves the description’s',
    EndOfFile: 'pread and pwrite of no bytes return 0, of an empty file too',
    Overflow: 'a range of bytes that ends beyond what an offset can be is EINVAL to read and write',
    CantReadPipe: 'a pipe has no offset: ESPIPE',
  },
  'pwrite64.cc': {
    AppendOnly: 'pwrite with O_APPEND appends and ignores the offset it was given',
    InvalidArgs: 'pread and pwrite return EINVAL for a negative offset',
    Overflow: 'a range of bytes that ends beyond what an offset can be is EINVAL to read and write',
    Pwrite64WithOpath: 'reading and writing return EBADF for closed and O_PATH descriptors',
    ClosedFd: 'reading and writing return EBADF for closed and O_PATH descriptors',
    ReadOnlyFd: 'a description opened with O_RDONLY can be read and not written',
    ZeroLengthNullBuffer: 'pread and pwrite of no bytes return 0, of an empty file too',
    DoesNotChangeOffset: 'pwrite writes at an offset and leaves the description’s',
    Pipe: 'a pipe has no offset: ESPIPE',
  },
  'lseek.cc': {
    InvalidWhence: 'lseek returns EINVAL for an unknown whence',
    NegativeOffset: 'lseek returns EINVAL for a negative result and keeps the offset',
    Overflow: 'lseek returns EINVAL for a result beyond what an offset can be',
    Set: 'lseek sets the offset from the start, the present place and the end',
    Cur: 'lseek sets the offset from the start, the present place and the end',
    End: 'lseek sets the offset from the start, the present place and the end',
    InvalidFD: 'lseek returns EBADF for a closed descriptor and an O_PATH one, whatever the whence',
    DirCurEnd: 'lseek of a directory starts at 0 and refuses negative positions',
    SeekCurrentDir:
      'lseek of a directory to its end succeeds or is EINVAL, and 0 is still the start',
    ProcStatTwice: 'two descriptions of one file have offsets of their own and share the data',
    EtcPasswdDup: 'dup returns the lowest free descriptor, which shares the offset',
    SeekDataAndSeekHole: [
      'SEEK_DATA and SEEK_HOLE find data up to the end and the hole behind it',
      'SEEK_DATA and SEEK_HOLE return ENXIO at and past the end and for negative offsets',
    ],
  },
  'getdents.cc': {
    VerifyEntries: 'getdents lists dot, dot-dot and every entry once',
    VerifyPadding: 'getdents returns as many entries as fit their records',
    SmallDir: 'getdents lists dot, dot-dot and every entry once',
    LargeDir: 'getdents with a small buffer lists a large directory over several calls',
    ProcSelfFd: [
      'an entry that stays is listed exactly once while others come and go',
      'deleting each part of a listing before reading the next deletes everything',
    ],
    NotDir: 'getdents returns ENOTDIR for a file',
    OpathFile: 'getdents returns EBADF for an O_PATH descriptor and a closed one',
    OpathDirectory: 'getdents returns EBADF for an O_PATH descriptor and a closed one',
    SeekResetsCursor: 'seeking to 0 starts the listing again',
    BoundaryStraddling: 'getdents lists long names over several calls without loss',
    ZeroLengthOutBuffer: 'getdents returns EINVAL when the first entry does not fit',
    TooLargeSize: 'getdents returns EINVAL for sizes that are negative as a signed number',
    'ReaddirTest.OpenDir':
      'the root directory lists dot, dot-dot and the directories of the system',
    'ReaddirTest.RootContainsBasicDirectories':
      'the root directory lists dot, dot-dot and the directories of the system',
    'ReaddirTest.Bug24096713Dev': 'the directory of devices lists them',
    'ReaddirTest.Bug35110122Root':
      'the root directory lists dot, dot-dot and the directories of the system',
    'ReaddirTest.GoneAfterRemoveCache': 'a listing that was rewound shows what changed',
    'ReaddirTest.GoneAfterRenameCache': [
      'a listing opened after a rename shows the new names in both directories',
      'a directory renamed while it is being listed keeps its listing',
    ],
  },
  'stat.cc': {
    FstatatAbs: 'stat reports type, size, owner and links of a file',
    FstatatRel: 'fstatat resolves from a directory descriptor, an O_PATH one too',
    FstatatEmptyPath: 'fstatat with AT_EMPTY_PATH reports the file of the descriptor',
    FstatatSymlink: 'stat follows a symbolic link and lstat does not',
    FstatatSymlinkDir: [
      'stat follows a symbolic link and lstat does not',
      'lstat with a trailing slash follows a symbolic link to a directory',
    ],
    Nlinks: 'mkdir makes an empty directory with two links',
    BlocksIncreaseOnWrite: 'st_blocks grows as data is written and leaves out holes',
    PathNotCleaned: 'dot-dot of a missing directory is ENOENT: paths are not cleaned as text',
    PathCanContainDotDot: 'repeated slashes and dots do not change what a path names',
    PathCanContainEmptyComponent: 'repeated slashes and dots do not change what a path names',
    LeadingDoubleSlash: 'repeated slashes and dots do not change what a path names',
    TrailingSlashNotCleanedReturnsENOTDIR:
      'stat returns ENOTDIR for a file with a trailing slash, through a link too',
    FstatFileWithOpath: 'an O_PATH descriptor of a file keeps naming it after rename and unlink',
    FstatDirWithOpath: 'fstatat resolves from a directory descriptor, an O_PATH one too',
    FstatatDirWithOpath: 'fstatat resolves from a directory descriptor, an O_PATH one too',
    FstatatSymlinkDirWithTrailingSlash:
      'lstat with a trailing slash follows a symbolic link to a directory',
    FstatatSymlinkDirWithTrailingSlashSameInode:
      'lstat with a trailing slash follows a symbolic link to a directory',
    StatDoesntChangeAfterRename: [
      'rename gives a file its new name and keeps what it is',
      'the number of a file stays the same while it is written, linked and moved',
    ],
    LinkCountsWithSubdirectories: [
      'mkdir adds a link to the parent and changes its mtime and ctime',
      'a directory has two links and one more for each subdirectory',
    ],
    LinkCountsWithRegularFileChild: 'files and symbolic links do not add links to their directory',
    ZeroLinksOpenFdRegularFileChild:
      'an unlinked file that is open can be read, written and stat’ed',
    LinkCountsWithDirChild: 'a directory has two links and one more for each subdirectory',
    ChildOfNonDir: 'stat returns ENOTDIR for a child of a file',
    LstatSymlinkDir: 'lstat with a trailing slash follows a symbolic link to a directory',
    LstatELOOPPath: 'the limit of forty counts the links of all components together',
    DifferentFilesHaveDifferentDeviceInodeNumberPairs:
      'different files have different pairs of device and number',
    AnonDeviceAllocatesUniqueInodesAcrossSaveRestore: 'fstat tells of a pipe as a FIFO of its own',
    StatxAbsPath: 'statx tells what stat tells, and says so',
    StatxRelPathDirFD:
      'statx resolves from a directory descriptor and, with AT_EMPTY_PATH, takes it itself',
    StatxRelPathCwd: 'AT_FDCWD is the working directory',
    StatxEmptyPath:
      'statx resolves from a directory descriptor and, with AT_EMPTY_PATH, takes it itself',
    StatxDoesNotRejectExtraneousMaskBits: 'statx accepts every bit of a mask but the last',
    StatxRejectsReservedMaskBit: 'statx accepts every bit of a mask but the last',
    StatxSymlink: 'statx follows a symbolic link unless AT_SYMLINK_NOFOLLOW is given',
    StatxInvalidFlags: 'statx returns EINVAL for unknown flags and for both ways to sync at once',
    StatIgnoreNoAutomount: 'statx and fstatat accept AT_NO_AUTOMOUNT',
    StatxMntId: 'statx tells the mount, the same for all files of it',
    StatxMntIdBindMount: 'statx tells two mounts of one directory apart',
  },
  'statfs.cc': {
    'StatfsTest.CannotStatBadPath':
      'statfs returns ENOENT and ENOTDIR as any path does, fstatfs EBADF',
    'StatfsTest.TempPath': [
      'statfs describes the filesystem',
      'statfs and fstatfs agree, through an O_PATH descriptor too',
    ],
    'FstatfsTest.TempPath': [
      'statfs describes the filesystem',
      'statfs and fstatfs agree, through an O_PATH descriptor too',
    ],
    'StatfsTest.InternalDevShm': 'statfs of a mounted tmpfs tells its type',
    'FstatfsTest.InternalDevShm': 'statfs of a mounted tmpfs tells its type',
    'StatFsTest.MountFlags': 'statfs tells the flags of the mount',
    'FstatfsTest.CannotStatBadFd':
      'statfs returns ENOENT and ENOTDIR as any path does, fstatfs EBADF',
    'FstatfsTest.CanStatFileWithOpath':
      'statfs and fstatfs agree, through an O_PATH descriptor too',
    'FstatfsTest.BlocksFree': 'writing megabytes lowers the free blocks of the filesystem',
  },
  'fsync.cc': {
    TempFileSucceeds: 'fsync and fdatasync succeed for files, read-only ones too, and directories',
    FdatasyncTempFileSucceeds:
      'fsync and fdatasync succeed for files, read-only ones too, and directories',
    ODsyncWriteSucceeds: 'writes with O_SYNC and O_DSYNC succeed and are read back',
    TempDirSucceeds: 'fsync and fdatasync succeed for files, read-only ones too, and directories',
    FdatasyncTempDirSucceeds:
      'fsync and fdatasync succeed for files, read-only ones too, and directories',
    CannotFsyncOnUnopenedFd:
      'fsync, fdatasync and syncfs return EBADF for closed and O_PATH descriptors',
  },
  'sync.cc': {
    SyncEverything: 'sync succeeds and changes nothing that can be seen',
    SyncFileSytem: 'sync succeeds and changes nothing that can be seen',
    SyncFromPipe: 'a pipe has no size to change and nothing to flush',
    CannotSyncFileSystemAtBadFd:
      'fsync, fdatasync and syncfs return EBADF for closed and O_PATH descriptors',
    CannotSyncFileSystemAtOpathFD:
      'fsync, fdatasync and syncfs return EBADF for closed and O_PATH descriptors',
  },
};
