// Which cases assert what gVisor's tests assert: inotify.cc to xattr.cc.

import type { Coverage } from '../coverage.ts';

export const watchesAndAttributesCoverage: Coverage = {
  'inotify.cc': {
    IllegalSeek: 'seeking in an inotify descriptor moves nothing',
    IllegalPread: 'an inotify descriptor can’t be written to, nor read or written at an offset',
    IllegalPwrite: 'an inotify descriptor can’t be written to, nor read or written at an offset',
    IllegalWrite: 'an inotify descriptor can’t be written to, nor read or written at an offset',
    InitFlags: 'inotify_init1 takes IN_NONBLOCK and IN_CLOEXEC, and returns EINVAL for other flags',
    NonBlockingReadReturnsEagain: 'reading an empty queue returns EAGAIN with IN_NONBLOCK',
    AddWatchOnInvalidFdFails:
      'inotify_add_watch returns EBADF for no descriptor and EINVAL for one of another kind',
    RemovingWatchGeneratesEvent: 'removing a watch queues IN_IGNORED and nothing else',
    CanDeleteFileAfterRemovingWatch: 'a file whose watch was removed is deleted without an event',
    RemoveWatchAfterDeletingFileFails:
      'a file that goes away tells of its attributes, its deletion and the end of the watch',
    DuplicateWatchRemovalFails: 'inotify_rm_watch returns EINVAL for a watch that is not there',
    ConcurrentFileDeletionAndWatchRemoval:
      'files that come and go while they are watched cause no other errors',
    DeletingChildGeneratesEvents: 'a file that goes away tells itself before its directory',
    CreatingFileGeneratesEvents:
      'a file made, closed and chmod’ed tells its directory alone, in this order',
    ReadingFileGeneratesAccessEvent: 'reading tells of access, writing of a change',
    WritingFileGeneratesModifyEvent: 'reading tells of access, writing of a change',
    SizeZeroReadWriteGeneratesNothing:
      'reading at the end and reading or writing nothing is not told',
    FailedFileCreationGeneratesNoEvents: 'calls that fail cause no events',
    WatchSetAfterOpenReportsCloseFdEvent:
      'closing tells whether the description was open for writing',
    ChildrenDeletionInWatchedDirGeneratesEvent:
      'entries that are removed are told to their directory, directories with IN_ISDIR',
    RmdirOnWatchedTargetGeneratesEvent:
      'a watched directory that is removed tells of its deletion and the end of the watch',
    RmdirGeneratesDeleteSelfBeforeParentDelete:
      'a directory that is removed tells itself before its parent',
    RmdirWithOpenDirFdDefersDeleteSelfUntilClose:
      'a removed directory that is open tells of its deletion when it is closed',
    MoveGeneratesEvents:
      'a rename tells the old and the new directory with one cookie, of its own each time',
    MoveWatchedTargetGeneratesEvents:
      'a file that is renamed is told last, without cookie and name',
    DupFD: 'only the last close of a description is told',
    CoalesceEvents: 'equal events in a row are told once',
    ClosingInotifyFdWithoutRemovingWatchesWorks:
      'closing an inotify descriptor with watches leaves the files alone',
    NestedWatches: 'opening a file tells its directory, then itself',
    ConcurrentThreadsGeneratingEvents: 'several processes that write are all told of',
    ReadWithTooSmallBufferFails:
      'a read returns whole events only, and EINVAL when the first does not fit',
    BlockingReadOnInotifyFd: 'reading an empty queue waits for an event',
    WatchOnRelativePath: 'a path to watch is resolved from the working directory',
    ZeroLengthReadWriteDoesNotGenerateEvent:
      'reading at the end and reading or writing nothing is not told',
    ChmodGeneratesAttribEvent: 'chmod, fchmod and chown tell of new attributes',
    TruncateGeneratesModifyEvent: 'truncate and ftruncate tell of a change, even to the same size',
    GetdentsGeneratesAccessEvent:
      'listing a directory tells of each getdents, the last one included',
    MknodGeneratesCreateEvent:
      'mknod and symlink tell of a creation, and the target of a link of nothing',
    SymlinkGeneratesCreateEvent:
      'mknod and symlink tell of a creation, and the target of a link of nothing',
    SymlinkFollow: 'watching a symbolic link watches its target, unless IN_DONT_FOLLOW is given',
    LinkGeneratesAttribAndCreateEvents:
      'a new link tells the file of its attributes, then the directory of the creation',
    UtimesGeneratesAttribEvent:
      'setting both times tells of attributes, one alone of access or of a change',
    HardlinksReuseSameWatch:
      'unlinking one of two hard links tells of attributes and keeps the watch',
    MkdirGeneratesCreateEventWithDirFlag:
      'a new directory is told to its parent with IN_ISDIR, and no further up',
    MultipleInotifyInstancesAndWatchesAllGetEvents:
      'watch descriptors count from 1, and a number does not come back',
    EventsGoUpAtMostOneLevel: 'events reach the directory of an object and not those above it',
    DuplicateWatchReturnsSameWatchDescriptor:
      'watching a file again changes the mask of the watch there is',
    UnmatchedEventsAreDiscarded: 'events outside the mask are not told, IN_IGNORED always is',
    AddWatchWithInvalidEventMaskFails: 'inotify_add_watch returns EINVAL for a mask without events',
    AddWatchOnInvalidPathFails: 'inotify_add_watch returns the errors of its path',
    InOnlyDirFlagRespected: 'with IN_ONLYDIR, watching what is no directory is ENOTDIR',
    MaskAddMergesWithExistingEventMask: 'IN_MASK_ADD adds to the mask of the watch there is',
    ControlEvents: 'events outside the mask are not told, IN_IGNORED always is',
    EpollNoDeadlock: 'poll wakes when an event comes',
    Fallocate: 'fallocate tells of a change, with a hole or the old size too',
    Utimensat: 'setting both times tells of attributes, one alone of access or of a change',
    Sendfile:
      'sendfile and copy_file_range tell of access to the source and a change of the target',
    SpliceOnWatchTarget: 'sendfile into a pipe tells of access to the file',
    LinkOnOtherParent: 'what is done through one link is not told to the directory of the other',
    Xattr: 'setting and removing extended attributes is told, reading them is not',
    IncludeUnlinkedFile: 'an unlinked file that is open is told of until it is closed',
    ExcludeUnlink: 'with IN_EXCL_UNLINK, an unlinked file tells only of its deletion',
    ExcludeUnlinkDirectory:
      'with IN_EXCL_UNLINK, a removed directory does not tell of being closed',
    ExcludeUnlinkMultipleChildren: 'IN_EXCL_UNLINK goes by the name a file was opened through',
    ExcludeUnlinkInodeEvents: 'IN_EXCL_UNLINK does not hide changes of the inode',
    OneShot: 'a watch with IN_ONESHOT tells of one event and is gone',
    InotifyAndTargetDestructionDoNotDeadlock:
      'watchers that come and go while their files do miss nothing of the next one',
    AddRemoveUnlinkDoNotDeadlock:
      'files that come and go while they are watched cause no other errors',
    NotifyNoDeadlock: 'many processes that change one watched tree in many ways get to an end',
    OpenWithTruncGeneratesModify:
      'opening a file with O_TRUNC tells of the opening, then of the change',
    OpenCreateTruncNewFileNoModify:
      'making a file tells of its creation, then of the opening, and of no change',
    KernfsBasic: 'a device is watched as a file is',
  },
  'xattr.cc': {
    XattrNonexistentFile: 'the calls on attributes return ENOENT for a file that does not exist',
    XattrEmptyName: 'an empty name of an attribute is ERANGE',
    XattrLargeName: 'a name of 255 bytes is accepted and one of 256 is ERANGE',
    XattrInvalidPrefix: 'a name without a known prefix is EOPNOTSUPP',
    SecurityCapacityXattr: 'security attributes are set by root only and read by everybody',
    WriteRemovesSecurityCapability: 'a write removes the capabilities of a file',
    XattrReadOnly: 'user attributes are set by who may write the file and read by who may read it',
    XattrWriteOnly: 'user attributes are set by who may write the file and read by who may read it',
    XattrTrustedWithNonadmin: 'trusted attributes are EPERM to set and ENODATA to get for a user',
    XattrOnDirectory: 'a directory has attributes',
    XattrOnSymlink: 'setxattr and its kin follow symbolic links',
    XattrOnInvalidFileTypes: 'FIFOs, sockets and devices have no user attributes',
    SetXattrSizeSmallerThanValue: 'setxattr stores as many bytes as it is given',
    SetXattrValueTooLargeButOKSize: 'setxattr stores as many bytes as it is given',
    SetXattrZeroSize: 'an attribute may be empty',
    SetXattrNullValueAndZeroSize: 'an attribute may be empty',
    SetXattrSizeTooLarge: 'setxattr returns E2BIG for a value of more than 65536 bytes',
    SetXattrReplaceWithSmaller: 'setting an attribute again replaces all of its value',
    SetXattrReplaceWithLarger: 'setting an attribute again replaces all of its value',
    SetXattrCreateFlag: 'setxattr with XATTR_CREATE returns EEXIST for an attribute that exists',
    SetXattrReplaceFlag:
      'setxattr with XATTR_REPLACE returns ENODATA for an attribute that does not exist',
    SetXattrInvalidFlags:
      'setxattr returns EINVAL for unknown flags, before it looks at path and name',
    GetXattr: 'an attribute has the value it was set to, byte by byte',
    GetXattrSizeLargerThanValue: 'getxattr fills only what the value needs of its buffer',
    GetXattrSizeTooLarge: 'getxattr fills only what the value needs of its buffer',
    GetXattrSizeSmallerThanValue:
      'getxattr returns ERANGE for a buffer that is too small, and leaves it alone',
    GetXattrZeroSize: 'getxattr with an empty buffer returns the size of the value',
    GetXattrNullValueAndZeroSize: 'getxattr with an empty buffer returns the size of the value',
    GetXattrNonexistentName:
      'removexattr removes an attribute, and returns ENODATA for one that is not there',
    ListXattr: 'listxattr gives every name with a NUL behind it',
    ListXattrNoXattrs: 'listxattr of a file without attributes returns 0, whatever the buffer',
    ListXattrSizeTooSmall:
      'listxattr with an empty buffer returns the size, with a small one ERANGE',
    ListXattrZeroSize: 'listxattr with an empty buffer returns the size, with a small one ERANGE',
    RemoveXattr: 'removexattr removes an attribute, and returns ENODATA for one that is not there',
    RemoveXattrNonexistentName:
      'removexattr removes an attribute, and returns ENODATA for one that is not there',
    LXattrOnSymlink: 'a symbolic link has no user attributes',
    LXattrOnNonsymlink: 'lsetxattr and its kin act on what is no symbolic link as the others do',
    XattrWithFD: 'fsetxattr and its kin work on a read-only descriptor',
    XattrWithOPath: 'fsetxattr and its kin return EBADF for an O_PATH descriptor and a closed one',
    TrustedNamespaceWithCapSysAdmin: 'root sets, reads, lists and removes trusted attributes',
    TrustedNamespaceWithoutCapSysAdmin:
      'a user may set attributes of a file of its own and not see those of root',
  },
};
