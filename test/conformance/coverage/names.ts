// Which cases assert what gVisor's tests assert: rename.cc to sticky.cc.

import type { Coverage } from '../coverage.ts';

export const namesCoverage: Coverage = {
  'rename.cc': {
    RootToAnything: 'rename returns EBUSY for the root directory on either side',
    AnythingToRoot: 'rename returns EBUSY for the root directory on either side',
    SourceIsAncestorOfTarget: 'rename returns EINVAL when the source is an ancestor of the target',
    TargetIsAncestorOfSource:
      'rename returns ENOTEMPTY when the target is an ancestor of the source',
    FileToSelf: 'rename to the same name succeeds and changes nothing',
    DirectoryToSelf: 'rename to the same name succeeds and changes nothing',
    FileToSameDirectory: 'rename gives a file its new name and keeps what it is',
    DirectoryToSameDirectory: 'rename gives a directory its new name with everything in it',
    FileNameTooLong: 'rename returns ENAMETOOLONG for a name of 256 bytes on either side',
    RenameAfterWritableFDAndChmod: 'a description follows its file through renames',
    FileToParentDirectory: 'rename moves a file to the parent directory and to a child directory',
    DirectoryToParentDirectory:
      'rename moves a directory to its grandparent and back below a sibling',
    FileToChildDirectory: 'rename moves a file to the parent directory and to a child directory',
    DirectoryToChildDirectory:
      'rename moves a directory to its grandparent and back below a sibling',
    DirectoryToOwnChildDirectory:
      'rename returns EINVAL when the source is an ancestor of the target',
    FileOverwritesFile: 'rename of a file over a file replaces it',
    DirectoryOverwritesDirectoryLinkCount:
      'rename of a directory over one of another parent keeps that parent’s link count',
    FileDoesNotExist: 'rename returns ENOENT when the source does not exist',
    FileDoesNotOverwriteDirectory: 'rename returns EISDIR when a file would replace a directory',
    DirectoryDoesNotOverwriteFile:
      'rename returns ENOTDIR when a directory would replace something else',
    DirectoryOverwritesEmptyDirectory: 'rename of a directory over an empty directory replaces it',
    FailsWithDots: 'rename returns EBUSY when the source ends in dot or dot-dot',
    PathEndingWithDots: 'rename returns EBUSY when the target ends in dot or dot-dot',
    DirectoryDoesNotOverwriteNonemptyDirectory:
      'rename returns ENOTEMPTY when the target directory has entries',
    FailsWhenOldParentNotWritable: 'rename returns EACCES when the old parent is not writable',
    FailsWhenNewParentNotWritable: 'rename returns EACCES when the new parent is not writable',
    OverwriteFailsWhenNewParentNotWritable:
      'rename returns EACCES when the new parent is not writable',
    FileDoesNotExistWhenNewParentNotExecutable:
      'rename returns EACCES and not ENOENT when a parent can’t be searched',
    DirectoryWithOpenFdOverwritesEmptyDirectory:
      'an open directory does not hinder the rename that replaces it or moves it',
    FileWithOpenFd: 'a description follows its file through renames',
    SysfsPathEndingWithDots: 'renames within another filesystem obey the same rules',
    SysfsFileToSelf: 'renames within another filesystem obey the same rules',
    'Renameat2Test.NoReplaceSuccess': 'renameat2 with RENAME_NOREPLACE moves to a free name',
    'Renameat2Test.NoReplaceExisting':
      'renameat2 with RENAME_NOREPLACE returns EEXIST when the target exists',
    'Renameat2Test.NoReplaceDot':
      'renameat2 with RENAME_NOREPLACE returns EEXIST when the target ends in a dot',
    'Renameat2Test.ExchangeDirectories':
      'renameat2 with RENAME_EXCHANGE swaps two directories with entries',
    'Renameat2Test.ExchangeFiles': 'renameat2 with RENAME_EXCHANGE swaps two files',
    'Renameat2Test.PathDoesNotExist':
      'renameat2 with RENAME_EXCHANGE returns ENOENT when either is missing',
    'Renameat2Test.InvalidFlags':
      'renameat2 returns EINVAL for unknown flags and for NOREPLACE with EXCHANGE',
  },
  'symlink.cc': {
    CanCreateSymlinkWithCachedSourceDirent: [
      'a relative target starts at the directory of the link',
      'opening through a symbolic link reaches the file itself',
    ],
    CanCreateSymlinkFile:
      'symlink makes a link of mode 0777 whose size is the length of the target',
    CanCreateSymlinkDir: [
      'symlink makes a link of mode 0777 whose size is the length of the target',
      'unlink removes a symbolic link to a directory',
    ],
    CannotCreateSymlinkInReadOnlyDir: 'symlink returns EACCES when the directory is not writable',
    CannotSymlinkOverExistingFile: 'symlink returns EEXIST when the name exists',
    CannotSymlinkOverExistingDir: 'symlink returns EEXIST when the name exists',
    OldnameIsEmpty: 'symlink returns ENOENT for an empty target',
    OldnameIsDangling: 'symlink accepts a target that does not exist',
    NewnameCannotExist: 'symlink returns ENOENT for an empty or unreachable new path',
    CanEvaluateLink: 'opening through a symbolic link reaches the file itself',
    TargetIsNotMapped: 'readlink returns the exact text that was stored',
    PreadFromSymlink: 'opening through a symbolic link reaches the file itself',
    PwriteToSymlink: 'opening through a symbolic link reaches the file itself',
    SymlinkAtDegradedPermissions:
      'symlinkat and readlinkat return EACCES after the directory lost its permissions',
    SymlinkAtDirWithOpath: 'symlinkat and readlinkat work with an O_PATH directory descriptor',
    ReadlinkAtDirWithOpath: 'symlinkat and readlinkat work with an O_PATH directory descriptor',
    ReadlinkAtDegradedPermissions:
      'symlinkat and readlinkat return EACCES after the directory lost its permissions',
    ChmodSymlink: 'chmod and chown follow a symbolic link and lchown does not',
    FollowUpdatesATime: 'following a symbolic link changes the atime of the link',
    SymlinkAtEmptyPath: 'symlink returns ENOENT for an empty or unreachable new path',
    AbsoluteSymlinkDouble:
      'mkdir through a symbolic link to the root directory reaches the same place',
    'Param.CreatLinkCreatesTarget':
      'open with O_CREAT makes the target of a dangling symbolic link',
    'Param.OpenLinkCreatesTarget': 'open with O_CREAT makes the target of a dangling symbolic link',
    'Param.CreateExistingSelfLink': 'open with O_CREAT returns ELOOP for a link to itself',
    'Param.CreateExistingParentLink': 'open with O_CREAT returns ELOOP for a link to itself',
    'Param.OpenLinkExclFails':
      'open with O_CREAT and O_EXCL returns EEXIST for a dangling symbolic link',
    'Param.OpenLinkNoFollowFails':
      'open with O_CREAT and O_NOFOLLOW returns ELOOP for a symbolic link',
  },
  'link.cc': {
    CanCreateLinkFile: 'link gives a file a second name and unlink takes it away',
    HardlinkChangeMode: 'chmod and chown through one link show through the other',
    PermissionDenied:
      'link returns EPERM for a file of somebody else without permission to read and write',
    CannotLinkDirectory: 'link returns EPERM for a directory',
    CannotLinkWithSlash: 'link returns ENOENT for a new name with a trailing slash',
    OldnameIsEmpty: 'link returns ENOENT when either path is missing or empty',
    OldnameDoesNotExist: 'link returns ENOENT when either path is missing or empty',
    NewnameCannotExist: 'link returns ENOENT when either path is missing or empty',
    WithOldDirFD: 'linkat resolves both paths from directory descriptors, O_PATH ones too',
    WithNewDirFD: 'linkat resolves both paths from directory descriptors, O_PATH ones too',
    BogusFlags: 'linkat returns EINVAL for unknown flags before it looks at descriptors or paths',
    RelPathsWithNonDirFDs: 'linkat returns ENOTDIR for relative paths and the descriptor of a file',
    RelPathsNonDirFDsWithOpath: 'linkat ignores the descriptors when the paths are absolute',
    AbsPathsWithNonDirFDs: 'linkat ignores the descriptors when the paths are absolute',
    AbsPathsNonDirFDsWithOpath: 'linkat ignores the descriptors when the paths are absolute',
    NewDirFDWithOpath: 'linkat resolves both paths from directory descriptors, O_PATH ones too',
    LinkDoesNotFollowSymlinks: 'link makes a second name of a symbolic link and does not follow it',
    LinkatDoesNotFollowSymlinkByDefault:
      'link makes a second name of a symbolic link and does not follow it',
    LinkatWithSymlinkFollow: 'linkat with AT_SYMLINK_FOLLOW links the target of a symbolic link',
    KernfsAcrossFilesystem: 'a file of another filesystem is not linked here: EXDEV',
    LinkAtWithEmptyPathNeedsNoCapForSameCreds: [
      'a user may name its own file made with O_TMPFILE',
      'linkat with AT_EMPTY_PATH links the file of a descriptor',
    ],
    LinkAtWithEmptyPathNeedsNoCapForAtFcwd:
      'linkat with AT_EMPTY_PATH takes a path that is not empty as any other',
  },
  'unlink.cc': {
    IsDir: 'unlink returns EISDIR for a directory',
    DirNotEmpty: 'rmdir returns ENOTEMPTY for a directory with entries',
    Rmdir: 'rmdir removes an empty directory and takes a link from its parent',
    AtDir: 'unlinkat resolves from a directory descriptor',
    AtDirDegradedPermissions:
      'unlinkat with AT_REMOVEDIR returns EACCES when the directory can’t be searched',
    ParentDegradedPermissions: [
      'unlink returns EACCES when the directory is not writable or not searchable',
      'unlink of a missing file returns EACCES in an unsearchable directory',
    ],
    AtBad: [
      'unlink returns ENOTDIR for a file with a trailing slash',
      'rmdir returns ENOTDIR for a file and for a symbolic link to a directory',
    ],
    AbsTmpFile: 'unlink removes the name of a file',
    AtFile: 'unlinkat resolves from a directory descriptor',
    TooLongName: 'unlink returns ENAMETOOLONG for too long a name or path',
    OpenFile: 'an unlinked file that is open can be read, written and stat’ed',
    'RmdirTest.OpenDirectory':
      'a removed directory that is open has no links and is empty to openat',
    CannotRemoveDots: [
      'unlink returns ENOTDIR when a component of the path is a file',
      'rmdir returns EINVAL for dot and ENOTEMPTY for dot-dot',
    ],
    CannotRemoveRoot: 'rmdir returns EBUSY for the root directory',
    CannotRemoveRootWithAtDir:
      'unlinkat with AT_REMOVEDIR returns EBUSY for the root directory, from anywhere',
    'RmdirTest.CannotRemoveDots': [
      'unlink returns ENOTDIR when a component of the path is a file',
      'rmdir returns EINVAL for dot and ENOTEMPTY for dot-dot',
    ],
    CanRemoveWithTrailingSlashes: 'rmdir accepts trailing slashes',
    UnlinkAtEmptyPath: 'unlinkat returns ENOENT for the empty path whatever the descriptor is',
    UnlinkWithOpenFDs:
      'an unlinked open file outlives a new file and a directory of its name and its parents',
    UnlinkWithOpenFDsWriteOnly:
      'an unlinked file that is open grows by writing and shrinks by ftruncate',
    ChdirProcSelfFdParentDeleted:
      'dot-dot leads out of a removed directory whose parent was removed too',
  },
  'sticky.cc': {
    StickyBitPermDenied: [
      'rename from a sticky directory returns EPERM for a file of somebody else',
      'unlink in a sticky directory returns EPERM for what belongs to somebody else',
    ],
    StickyBitSameUID: 'in a sticky directory its owner, the file’s owner and root may unlink',
    StickyBitRenameOverwritePermDenied:
      'rename over a file of somebody else in a sticky directory returns EPERM',
    StickyBitRenameOverwriteSameUID:
      'somebody may replace a file of their own in a sticky directory',
    StickyBitCapFOWNER: 'in a sticky directory its owner, the file’s owner and root may unlink',
  },
};
