// Limits, each with the error that exceeding it gives. Linux: include/uapi/linux/limits.h.

/** Bytes of a path, its NUL included: ENAMETOOLONG. */
export const PATH_MAX = 4096;
/** Bytes of a name: ENAMETOOLONG. */
export const NAME_MAX = 255;
/** Symbolic links followed in one resolution: ELOOP. Linux: include/linux/namei.h MAXSYMLINKS. */
export const MAX_SYMLINK_TRAVERSALS = 40;
/** Mounts in a namespace: ENOSPC. Linux: fs/namespace.c sysctl_mount_max has 100,000. */
export const MOUNT_MAX = 10_000;
/** Names of one file: EMLINK. */
export const LINK_MAX = 0xffff_ffff;
/**
 * Open file descriptors of a task: EMFILE. Linux: RLIMIT_NOFILE's hard limit of a usual session.
 */
export const OPEN_MAX = 4096;
/** Largest file: EFBIG. Sizes are JavaScript numbers, exact up to here (8 PiB). */
export const FILE_SIZE_MAX = Number.MAX_SAFE_INTEGER;
/** Bytes of an extended attribute's name: ERANGE. Linux: include/uapi/linux/limits.h. */
export const XATTR_NAME_MAX = 255;
/** Bytes of an extended attribute's value: E2BIG. */
export const XATTR_SIZE_MAX = 65536;
/** Bytes of the names of a file's extended attributes, their NULs included: ENOSPC. */
export const XATTR_LIST_MAX = 65536;
/** Bytes of one read or write; more is shortened. Linux: include/linux/fs.h MAX_RW_COUNT. */
export const RW_COUNT_MAX = 0x7fff_f000;
