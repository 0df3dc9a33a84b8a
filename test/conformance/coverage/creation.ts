// Which cases assert what gVisor's tests assert: mkdir.cc to open.cc.

import type { Coverage } from '../coverage.ts';

export const creationCoverage: Coverage = {
  'mkdir.cc': {
    CanCreateWritableDir: [
      'a directory emptied and filled again many times keeps its link count',
      'mkdir makes an empty directory with two links',
    ],
    HonorsUmask: 'mkdir takes the umask off the mode',
    HonorsUmask2: 'mkdir takes the umask off the mode',
    FailsOnDirWithoutWritePerms:
      'mkdir and open with O_CREAT return EACCES in a directory that is not writable',
    DirAlreadyExists:
      'mkdir of a name that exists returns EACCES if the parent can’t be searched, else EEXIST',
    MkdirAtEmptyPath: 'mkdir returns ENOENT for a missing parent and for an empty path',
    TrailingSlash: 'mkdir accepts trailing slashes',
  },
  'creat.cc': {
    CreatCreatesNewFile: 'open with O_CREAT makes an empty regular file with one link',
    CreatTruncatesExistingFile: 'open with O_CREAT and O_TRUNC empties a file that exists',
    CreatWithNameTooLong:
      'open with O_CREAT returns ENAMETOOLONG for a name of 256 bytes and accepts 255',
  },
  'open_create.cc': {
    TmpFile: 'open with O_CREAT makes an empty regular file with one link',
    ExistingFile: 'open with O_CREAT opens a file that exists and leaves its mode and content',
    CreateAtFile: 'a file created with dirfd lands in that directory',
    HonorsUmask: 'open with O_CREAT takes the umask off the mode',
    CreateExclusively: 'open with O_CREAT and O_EXCL returns EEXIST when the file exists',
    CreatWithOTrunc: [
      'open with O_CREAT returns EISDIR for a directory',
      'open with O_TRUNC returns EISDIR for a directory even when only reading',
    ],
    CreatDirWithOTruncAndReadOnly: [
      'open with O_CREAT returns EISDIR for a directory',
      'open with O_TRUNC returns EISDIR for a directory even when only reading',
    ],
    CreatFileWithOTruncAndReadOnly:
      'open with O_RDONLY, O_CREAT and O_TRUNC empties a file that exists',
    CreateFailsOnDirWithoutWritePerms:
      'open with O_CREAT returns EACCES without permission to write the directory',
    OpenCreateROThenRW: 'a file made through a read-only description is written through another',
    ChmodReadToWriteBetweenOpens:
      'a description does not gain access when chmod gives the permission',
    ChmodWriteToReadBetweenOpens:
      'a description keeps its access after chmod took the permission away',
    CreateWithReadFlagNotAllowedByMode: 'the open that creates a file ignores the new mode',
    CreateWithWriteFlagNotAllowedByMode: 'the open that creates a file ignores the new mode',
  },
  'open.cc': {
    OTrunc: 'open with O_TRUNC returns EISDIR for a directory even when only reading',
    OTruncAndReadOnlyDir: 'open with O_TRUNC returns EISDIR for a directory even when only reading',
    OTruncAndReadOnlyFile: 'open with O_RDONLY and O_TRUNC empties the file',
    OCreateDirectory: [
      'open with O_CREAT returns EISDIR for a directory',
      'open with O_CREAT returns EISDIR for a missing name with a trailing slash',
    ],
    MustCreateExisting: 'open with O_CREAT and O_EXCL returns EEXIST for a directory',
    ReadOnly: 'a description opened with O_RDONLY can be read and not written',
    WriteOnly: 'a description opened with O_WRONLY can be written and not read',
    ReadWrite: 'a description opened with O_RDWR can be read and written',
    CreateWithAppend: 'with O_APPEND every write goes to the end, whatever the offset',
    RelPath: [
      'openat with AT_FDCWD resolves from the working directory',
      'relative paths start at the working directory',
    ],
    AbsPath: 'a description opened with O_RDWR can be read and written',
    AtRelPath: 'openat resolves a relative path from the directory descriptor',
    AtAbsPath: 'openat ignores the descriptor when the path is absolute',
    OpenNoFollowSymlink: 'open with O_NOFOLLOW returns ELOOP for a symbolic link',
    OpenNoFollowStillFollowsLinksInPath:
      'open with O_NOFOLLOW follows symbolic links before the last component',
    SymlinkRecurse: 'a symbolic link with dot-dot in the middle of a path leads back into the tree',
    AppendOnly: [
      'a new description starts at offset 0, with O_APPEND too',
      'two descriptions with O_APPEND never overwrite each other',
    ],
    AppendConcurrentWrite: 'many appends at once lose nothing',
    Truncate: [
      'open with O_TRUNC empties the file',
      'truncate shortens a file',
      'truncate lengthens a file with zeros',
    ],
    NameTooLong: 'a path of 4095 bytes is accepted and one of 4096 is ENAMETOOLONG',
    DotsFromRoot: 'the parent of the root directory is the root directory',
    DirectoryWritableFails: 'open returns EISDIR when a directory is opened for writing',
    DirectoryDirectFails: 'open with O_DIRECT returns EINVAL for a directory',
    FileNotDirectory: 'open with O_DIRECTORY returns ENOTDIR for a file',
    SymlinkDirectory: 'open with O_DIRECTORY follows a symbolic link to a directory',
    Null: 'open returns ENOENT for the empty path',
    CanTruncateReadOnly: 'open with O_RDONLY and O_TRUNC empties the file',
    CanTruncateReadOnlyNoWritePermission:
      'open with O_RDONLY and O_TRUNC returns EACCES without permission to write',
    CanTruncateWriteOnlyNoReadPermission:
      'open with O_WRONLY and O_TRUNC needs no permission to read',
    CanTruncateWithStrangePermissions:
      'a file whose mode gives its owner less than others is refused to the owner',
    OpenNonDirectoryWithTrailingSlash: 'open returns ENOTDIR for a file with a trailing slash',
    OpenWithStrangeFlags: 'a description opened with access mode 3 can be neither read nor written',
    OpenWithOpath: 'open with O_PATH needs no permission on the object',
    OPathWithODirectory: 'open with O_PATH and O_DIRECTORY returns ENOTDIR for a file',
    TruncateNoSizeChangeUpdatesTimestamps:
      'ftruncate and O_TRUNC to the same size change mtime and ctime',
    TruncateSizeChangeUpdatesTimestamps: 'truncation to another size changes mtime and ctime',
  },
};
