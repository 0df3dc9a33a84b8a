/*
 * burrow.h: Linux's file calls for C programs under Burrow, where WASI preview1 has none: watches,
 * locks, pipes, extended attributes, modes and owners, and the rest.
 *
 * Include it after the C library's headers, or alone. On WebAssembly it declares what wasi-libc
 * lacks, with Linux's names, constants and structures, as imports of the module "burrow"; anywhere
 * else it includes the system's headers, so that a program is the same on both.
 *
 *   clang --target=wasm32-wasi -I<folder of burrow.h> program.c -o program.wasm
 *
 * Some of wasi-libc's own functions know too little and are replaced by macros: open, openat,
 * fcntl, linkat, access, faccessat, chdir and getcwd.
 */
#ifndef BURROW_H
#define BURROW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef __wasm__

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <linux/falloc.h>

static inline int burrow_fionread(int fd) {
  int count;
  return ioctl(fd, FIONREAD, &count) < 0 ? -1 : count;
}

#else

/* ---- Imports. A result below zero is -(4096 + errno). ---- */

#define BURROW_IMPORT(name) \
  __attribute__((import_module("burrow"), import_name(#name))) extern int32_t __burrow_##name

BURROW_IMPORT(openat)(int32_t, const char *, size_t, int32_t, int32_t);
BURROW_IMPORT(fallocate)(int32_t, int32_t, int64_t, int64_t);
BURROW_IMPORT(fchmod)(int32_t, int32_t);
BURROW_IMPORT(fchmodat)(int32_t, const char *, size_t, int32_t, int32_t);
BURROW_IMPORT(fchown)(int32_t, int32_t, int32_t);
BURROW_IMPORT(fchownat)(int32_t, const char *, size_t, int32_t, int32_t, int32_t);
BURROW_IMPORT(linkat)(int32_t, const char *, size_t, int32_t, const char *, size_t, int32_t);
BURROW_IMPORT(renameat2)(int32_t, const char *, size_t, int32_t, const char *, size_t, int32_t);
BURROW_IMPORT(getdents)(int32_t, int32_t, void *);
BURROW_IMPORT(faccessat)(int32_t, const char *, size_t, int32_t, int32_t);
BURROW_IMPORT(fstatfs)(int32_t, void *);
BURROW_IMPORT(statfs)(const char *, size_t, void *);
BURROW_IMPORT(syncfs)(int32_t);
BURROW_IMPORT(sync)(void);
BURROW_IMPORT(getfl)(int32_t);
BURROW_IMPORT(setfl)(int32_t, int32_t);
BURROW_IMPORT(dup)(int32_t);
BURROW_IMPORT(dup3)(int32_t, int32_t, int32_t);
BURROW_IMPORT(dupfd)(int32_t, int32_t, int32_t);
BURROW_IMPORT(getfd)(int32_t);
BURROW_IMPORT(setfd)(int32_t, int32_t);
BURROW_IMPORT(umask)(int32_t);
BURROW_IMPORT(mknodat)(int32_t, const char *, size_t, int32_t, int32_t);
BURROW_IMPORT(pipe2)(int32_t, int32_t *);
BURROW_IMPORT(flock)(int32_t, int32_t);
BURROW_IMPORT(setlk)(int32_t, int32_t, void *);
BURROW_IMPORT(getlk)(int32_t, int32_t, void *);
BURROW_IMPORT(inotify_init1)(int32_t);
BURROW_IMPORT(inotify_add_watch)(int32_t, const char *, size_t, int32_t);
BURROW_IMPORT(inotify_rm_watch)(int32_t, int32_t);
BURROW_IMPORT(setxattr)(const char *, size_t, const char *, size_t, const void *, size_t, int32_t,
                        int32_t);
BURROW_IMPORT(getxattr)(const char *, size_t, const char *, size_t, void *, size_t, int32_t);
BURROW_IMPORT(listxattr)(const char *, size_t, char *, size_t, int32_t);
BURROW_IMPORT(removexattr)(const char *, size_t, const char *, size_t, int32_t);
BURROW_IMPORT(fsetxattr)(int32_t, const char *, size_t, const void *, size_t, int32_t);
BURROW_IMPORT(fgetxattr)(int32_t, const char *, size_t, void *, size_t);
BURROW_IMPORT(flistxattr)(int32_t, char *, size_t);
BURROW_IMPORT(fremovexattr)(int32_t, const char *, size_t);
BURROW_IMPORT(copy_file_range)(int32_t, int64_t, int32_t, int64_t, int64_t, int32_t, int64_t *);
BURROW_IMPORT(sendfile)(int32_t, int32_t, int64_t, int64_t, int64_t *);
BURROW_IMPORT(mount)(const char *, size_t, const char *, size_t, const char *, size_t, int32_t,
                     const char *, size_t);
BURROW_IMPORT(umount2)(const char *, size_t, int32_t);
BURROW_IMPORT(chroot)(const char *, size_t);
BURROW_IMPORT(chdir)(const char *, size_t);
BURROW_IMPORT(fchdir)(int32_t);
BURROW_IMPORT(getcwd)(char *, size_t);
BURROW_IMPORT(fionread)(int32_t);
BURROW_IMPORT(getpid)(void);
BURROW_IMPORT(statx)(int32_t, const char *, size_t, int32_t, int32_t, void *);
BURROW_IMPORT(lseek)(int32_t, int64_t, int32_t, int64_t *);

#undef BURROW_IMPORT

static inline int32_t __burrow_result(int32_t result) {
  if (result > -4096) return result;
  errno = -result - 4096;
  return -1;
}

#define BURROW_PATH(path) (path), strlen(path)

/* ---- Constants: Linux's, where wasi-libc has none or other ones. ---- */

#ifndef ENODATA
#define ENODATA (4096 + 61)
#endif

#undef S_IFMT
#undef S_IFIFO
#undef S_IFSOCK
#undef S_ISFIFO
#undef S_ISSOCK
#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFSOCK 0140000
#define S_ISFIFO(mode) (((mode) & S_IFMT) == S_IFIFO)
#define S_ISSOCK(mode) (((mode) & S_IFMT) == S_IFSOCK)

/* In bits that wasi-libc's open() leaves free. */
#undef O_PATH
#undef O_TMPFILE
#undef O_DIRECT
#undef O_NOATIME
#define O_PATH 0x00200000
#define O_TMPFILE (0x00400000 | O_DIRECTORY)
#define O_DIRECT 0x00800000
#define O_NOATIME 0x00100000

#undef AT_EMPTY_PATH
#undef AT_NO_AUTOMOUNT
#define AT_EMPTY_PATH 0x1000
#define AT_NO_AUTOMOUNT 0x800
#define AT_STATX_SYNC_AS_STAT 0
#define AT_STATX_FORCE_SYNC 0x2000
#define AT_STATX_DONT_SYNC 0x4000

#define F_DUPFD 0
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#define F_DUPFD_CLOEXEC 1030
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

#define SEEK_DATA 3
#define SEEK_HOLE 4

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4

#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#define FALLOC_FL_COLLAPSE_RANGE 8
#define FALLOC_FL_ZERO_RANGE 16
#define FALLOC_FL_INSERT_RANGE 32

#define XATTR_CREATE 1
#define XATTR_REPLACE 2

#define MS_RDONLY 1
#define MS_REMOUNT 32
#define MS_NOATIME 1024
#define MS_BIND 4096
#define MNT_FORCE 1
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8

#define IN_ACCESS 0x1
#define IN_MODIFY 0x2
#define IN_ATTRIB 0x4
#define IN_CLOSE_WRITE 0x8
#define IN_CLOSE_NOWRITE 0x10
#define IN_CLOSE (IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)
#define IN_OPEN 0x20
#define IN_MOVED_FROM 0x40
#define IN_MOVED_TO 0x80
#define IN_MOVE (IN_MOVED_FROM | IN_MOVED_TO)
#define IN_CREATE 0x100
#define IN_DELETE 0x200
#define IN_DELETE_SELF 0x400
#define IN_MOVE_SELF 0x800
#define IN_ALL_EVENTS 0xfff
#define IN_UNMOUNT 0x2000
#define IN_Q_OVERFLOW 0x4000
#define IN_IGNORED 0x8000
#define IN_ONLYDIR 0x01000000
#define IN_DONT_FOLLOW 0x02000000
#define IN_EXCL_UNLINK 0x04000000
#define IN_MASK_CREATE 0x10000000
#define IN_MASK_ADD 0x20000000
#define IN_ISDIR 0x40000000
#define IN_ONESHOT 0x80000000u
#define IN_NONBLOCK 0x800
#define IN_CLOEXEC 0x80000

#define STATX_BASIC_STATS 0x7ffu
#define STATX_BTIME 0x800u
#define STATX_MNT_ID 0x1000u

/* ---- Structures. ---- */

struct inotify_event {
  int32_t wd;
  uint32_t mask;
  uint32_t cookie;
  uint32_t len;
  char name[];
};

struct statx_timestamp {
  int64_t tv_sec;
  uint32_t tv_nsec;
  int32_t __reserved;
};

struct statx {
  uint32_t stx_mask;
  uint32_t stx_blksize;
  uint64_t stx_attributes;
  uint32_t stx_nlink;
  uint32_t stx_uid;
  uint32_t stx_gid;
  uint16_t stx_mode;
  uint16_t __spare0[1];
  uint64_t stx_ino;
  uint64_t stx_size;
  uint64_t stx_blocks;
  uint64_t stx_attributes_mask;
  struct statx_timestamp stx_atime;
  struct statx_timestamp stx_btime;
  struct statx_timestamp stx_ctime;
  struct statx_timestamp stx_mtime;
  uint32_t stx_rdev_major;
  uint32_t stx_rdev_minor;
  uint32_t stx_dev_major;
  uint32_t stx_dev_minor;
  uint64_t stx_mnt_id;
  uint64_t __spare2[13];
};

struct statfs {
  uint64_t f_type;
  uint64_t f_bsize;
  uint64_t f_blocks;
  uint64_t f_bfree;
  uint64_t f_bavail;
  uint64_t f_files;
  uint64_t f_ffree;
  uint64_t f_namelen;
  uint64_t f_flags;
};

/* As getdents64() gives them. */
struct linux_dirent64 {
  uint64_t d_ino;
  int64_t d_off;
  uint16_t d_reclen;
  uint8_t d_type;
  char d_name[];
};

/* struct flock as the kernel takes it; wasi-libc's has the same members. */
struct __burrow_flock {
  int16_t l_type;
  int16_t l_whence;
  int64_t l_start;
  int64_t l_len;
  int32_t l_pid;
};

/* ---- wasi-libc's flags as Linux's. ---- */

static inline int32_t __burrow_dirfd(int dirfd) { return dirfd == AT_FDCWD ? -100 : dirfd; }

static inline int32_t __burrow_open_flags(int flags) {
  int32_t result = 0;
  int access = flags & O_ACCMODE;
  if (access == O_RDWR) result |= 2;
  else if (access == O_WRONLY) result |= 1;
  if (flags & O_CREAT) result |= 0100;
  if (flags & O_EXCL) result |= 0200;
  if (flags & O_TRUNC) result |= 01000;
  if (flags & O_APPEND) result |= 02000;
  if (flags & O_NONBLOCK) result |= 04000;
  if ((flags & O_SYNC) == O_SYNC) result |= 04010000;
  else if (flags & O_DSYNC) result |= 010000;
  if (flags & O_DIRECT) result |= 040000;
  if (flags & O_DIRECTORY) result |= 0200000;
  if (flags & O_NOFOLLOW) result |= 0400000;
  if (flags & O_NOATIME) result |= 01000000;
  if (flags & O_PATH) result |= 010000000;
  if ((flags & O_TMPFILE) == O_TMPFILE) result |= 020200000;
  return result;
}

static inline int32_t __burrow_at_flags(int flags) {
  int32_t result = flags & (AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_FORCE_SYNC |
                            AT_STATX_DONT_SYNC);
  if (flags & AT_SYMLINK_NOFOLLOW) result |= 0x100;
  if (flags & AT_SYMLINK_FOLLOW) result |= 0x400;
  return result;
}

/* ---- Names that a newer wasi-libc may have declared itself, unable as it is. ---- */

#undef pipe
#define pipe burrow_pipe
#undef pipe2
#define pipe2 burrow_pipe2
#undef fallocate
#define fallocate burrow_fallocate
#undef copy_file_range
#define copy_file_range burrow_copy_file_range
#undef sendfile
#define sendfile burrow_sendfile
#undef getdents64
#define getdents64 burrow_getdents64
#undef syncfs
#define syncfs burrow_syncfs
#undef fchmodat
#define fchmodat burrow_fchmodat
#undef fchownat
#define fchownat burrow_fchownat
#undef chown
#define chown burrow_chown
#undef lchown
#define lchown burrow_lchown
#undef fchown
#define fchown burrow_fchown
#undef mknodat
#define mknodat burrow_mknodat
#undef mknod
#define mknod burrow_mknod
#undef mkfifoat
#define mkfifoat burrow_mkfifoat
#undef mkfifo
#define mkfifo burrow_mkfifo
#undef renameat2
#define renameat2 burrow_renameat2
#undef inotify_init
#define inotify_init burrow_inotify_init
#undef inotify_init1
#define inotify_init1 burrow_inotify_init1
#undef inotify_add_watch
#define inotify_add_watch burrow_inotify_add_watch
#undef inotify_rm_watch
#define inotify_rm_watch burrow_inotify_rm_watch
#undef setxattr
#define setxattr burrow_setxattr
#undef lsetxattr
#define lsetxattr burrow_lsetxattr
#undef fsetxattr
#define fsetxattr burrow_fsetxattr
#undef getxattr
#define getxattr burrow_getxattr
#undef lgetxattr
#define lgetxattr burrow_lgetxattr
#undef fgetxattr
#define fgetxattr burrow_fgetxattr
#undef listxattr
#define listxattr burrow_listxattr
#undef llistxattr
#define llistxattr burrow_llistxattr
#undef flistxattr
#define flistxattr burrow_flistxattr
#undef removexattr
#define removexattr burrow_removexattr
#undef lremovexattr
#define lremovexattr burrow_lremovexattr
#undef fremovexattr
#define fremovexattr burrow_fremovexattr
#undef mount
#define mount burrow_mount
#undef umount
#define umount burrow_umount
#undef umount2
#define umount2 burrow_umount2
#undef chroot
#define chroot burrow_chroot
#undef fchdir
#define fchdir burrow_fchdir
#undef open
#undef openat
#undef fcntl
#undef lseek
#undef linkat
#undef access
#undef faccessat
#undef chdir
#undef getcwd
#undef getpid
#undef dup
#undef dup2
#undef dup3
#undef chmod
#undef fchmod
#undef umask
#undef sync

/* ---- Files and descriptors. ---- */

static inline int burrow_openat(int dirfd, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, int) : 0;
  va_end(rest);
  return __burrow_result(__burrow_openat(__burrow_dirfd(dirfd), BURROW_PATH(path),
                                         __burrow_open_flags(flags), mode));
}
#define openat burrow_openat
#define open(...) burrow_openat(AT_FDCWD, __VA_ARGS__)

static inline int pipe2(int fds[2], int flags) {
  return __burrow_result(__burrow_pipe2(__burrow_open_flags(flags), fds));
}
static inline int pipe(int fds[2]) { return pipe2(fds, 0); }

static inline int burrow_dup(int fd) { return __burrow_result(__burrow_dup(fd)); }
#define dup burrow_dup

static inline int burrow_dup3(int from, int to, int flags) {
  (void)flags;
  return __burrow_result(__burrow_dup3(from, to, 0));
}
#define dup3 burrow_dup3

static inline int burrow_dup2(int from, int to) {
  if (from != to) return burrow_dup3(from, to, 0);
  return __burrow_result(__burrow_getfd(from)) < 0 ? -1 : to;
}
#define dup2 burrow_dup2

static inline int __burrow_lock(int fd, int command, struct flock *lock) {
  struct __burrow_flock raw = {lock->l_type, lock->l_whence, lock->l_start, lock->l_len,
                               lock->l_pid};
  int is_query = command == F_GETLK || command == F_OFD_GETLK;
  int32_t result = is_query ? __burrow_getlk(fd, command, &raw) : __burrow_setlk(fd, command, &raw);
  if (result >= 0 && is_query) {
    lock->l_type = raw.l_type;
    lock->l_whence = raw.l_whence;
    lock->l_start = raw.l_start;
    lock->l_len = raw.l_len;
    lock->l_pid = raw.l_pid;
  }
  return __burrow_result(result);
}

/* What F_GETFL tells, and F_SETFL can set, in wasi-libc's bits. */
static inline int __burrow_status_flags(int32_t flags) {
  static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, 0};
  int result = access[flags & 3];
  if (flags & 02000) result |= O_APPEND;
  if (flags & 04000) result |= O_NONBLOCK;
  if ((flags & 04010000) == 04010000) result |= O_SYNC;
  else if (flags & 010000) result |= O_DSYNC;
  if (flags & 010000000) result |= O_PATH;
  return result;
}

static inline int burrow_fcntl(int fd, int command, ...) {
  va_list rest;
  int result = -1;
  va_start(rest, command);
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      result = __burrow_result(
          __burrow_dupfd(fd, va_arg(rest, int), command == F_DUPFD ? 0 : 02000000));
      break;
    case F_GETFD:
      result = __burrow_result(__burrow_getfd(fd));
      break;
    case F_SETFD:
      result = __burrow_result(__burrow_setfd(fd, va_arg(rest, int)));
      break;
    case F_GETFL: {
      int32_t flags = __burrow_result(__burrow_getfl(fd));
      result = flags < 0 ? -1 : __burrow_status_flags(flags);
      break;
    }
    case F_SETFL:
      result = __burrow_result(__burrow_setfl(fd, __burrow_open_flags(va_arg(rest, int))));
      break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      result = __burrow_lock(fd, command, va_arg(rest, struct flock *));
      break;
    default:
      errno = EINVAL;
  }
  va_end(rest);
  return result;
}
#define fcntl burrow_fcntl

static inline int burrow_flock(int fd, int operation) {
  return __burrow_result(__burrow_flock(fd, operation));
}
#define flock(fd, operation) burrow_flock(fd, operation)

static inline off_t burrow_lseek(int fd, off_t offset, int whence) {
  int64_t result;
  int native = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? 1 : whence == SEEK_END ? 2 : whence;
  return __burrow_result(__burrow_lseek(fd, offset, native, &result)) < 0 ? -1 : (off_t)result;
}
#define lseek burrow_lseek

static inline int burrow_fionread(int fd) { return __burrow_result(__burrow_fionread(fd)); }
static inline pid_t burrow_getpid(void) { return __burrow_getpid(); }
#define getpid burrow_getpid

static inline int fallocate(int fd, int mode, off_t offset, off_t length) {
  return __burrow_result(__burrow_fallocate(fd, mode, offset, length));
}

static inline ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset,
                                      size_t length, unsigned flags) {
  int64_t count;
  int32_t result = __burrow_copy_file_range(from, from_offset ? *from_offset : -1, to,
                                            to_offset ? *to_offset : -1, length, flags, &count);
  if (__burrow_result(result) < 0) return -1;
  if (from_offset) *from_offset += count;
  if (to_offset) *to_offset += count;
  return count;
}

static inline ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
  int64_t count;
  int32_t result = __burrow_sendfile(to, from, offset ? *offset : -1, length, &count);
  if (__burrow_result(result) < 0) return -1;
  if (offset) *offset += count;
  return count;
}

static inline ssize_t getdents64(int fd, void *buffer, size_t size) {
  return __burrow_result(__burrow_getdents(fd, size, buffer));
}

static inline int syncfs(int fd) { return __burrow_result(__burrow_syncfs(fd)); }
static inline void burrow_sync(void) { (void)__burrow_sync(); }
#define sync burrow_sync

/* ---- Names, modes and owners. ---- */

static inline int fchmodat(int dirfd, const char *path, mode_t mode, int flags) {
  return __burrow_result(__burrow_fchmodat(__burrow_dirfd(dirfd), BURROW_PATH(path), mode,
                                           __burrow_at_flags(flags)));
}
static inline int burrow_chmod(const char *path, mode_t mode) {
  return fchmodat(AT_FDCWD, path, mode, 0);
}
static inline int burrow_fchmod(int fd, mode_t mode) {
  return __burrow_result(__burrow_fchmod(fd, mode));
}
#define chmod burrow_chmod
#define fchmod burrow_fchmod

static inline int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
  return __burrow_result(__burrow_fchownat(__burrow_dirfd(dirfd), BURROW_PATH(path), uid, gid,
                                           __burrow_at_flags(flags)));
}
static inline int chown(const char *path, uid_t uid, gid_t gid) {
  return fchownat(AT_FDCWD, path, uid, gid, 0);
}
static inline int lchown(const char *path, uid_t uid, gid_t gid) {
  return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}
static inline int fchown(int fd, uid_t uid, gid_t gid) {
  return __burrow_result(__burrow_fchown(fd, uid, gid));
}

static inline mode_t burrow_umask(mode_t mask) { return __burrow_umask(mask); }
#define umask burrow_umask

static inline int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev) {
  return __burrow_result(__burrow_mknodat(__burrow_dirfd(dirfd), BURROW_PATH(path), mode, dev));
}
static inline int mknod(const char *path, mode_t mode, dev_t dev) {
  return mknodat(AT_FDCWD, path, mode, dev);
}
static inline int mkfifoat(int dirfd, const char *path, mode_t mode) {
  return mknodat(dirfd, path, S_IFIFO | mode, 0);
}
static inline int mkfifo(const char *path, mode_t mode) { return mkfifoat(AT_FDCWD, path, mode); }

static inline int burrow_linkat(int from_dirfd, const char *from, int to_dirfd, const char *to,
                                int flags) {
  return __burrow_result(__burrow_linkat(__burrow_dirfd(from_dirfd), BURROW_PATH(from),
                                         __burrow_dirfd(to_dirfd), BURROW_PATH(to),
                                         __burrow_at_flags(flags)));
}
#define linkat burrow_linkat

static inline int renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to,
                            unsigned flags) {
  return __burrow_result(__burrow_renameat2(__burrow_dirfd(from_dirfd), BURROW_PATH(from),
                                            __burrow_dirfd(to_dirfd), BURROW_PATH(to), flags));
}

static inline int burrow_faccessat(int dirfd, const char *path, int mode, int flags) {
  int bits = (mode & R_OK ? 4 : 0) | (mode & W_OK ? 2 : 0) | (mode & X_OK ? 1 : 0);
  return __burrow_result(__burrow_faccessat(__burrow_dirfd(dirfd), BURROW_PATH(path), bits,
                                            __burrow_at_flags(flags)));
}
#define faccessat burrow_faccessat
#define access(path, mode) burrow_faccessat(AT_FDCWD, path, mode, 0)

static inline int burrow_statx(int dirfd, const char *path, int flags, unsigned mask,
                               struct statx *result) {
  return __burrow_result(__burrow_statx(__burrow_dirfd(dirfd), BURROW_PATH(path),
                                        __burrow_at_flags(flags), mask, result));
}
#define statx(...) burrow_statx(__VA_ARGS__)
/* The macro takes arguments, so that struct statx stays. */

static inline int burrow_statfs(const char *path, struct statfs *result) {
  return __burrow_result(__burrow_statfs(BURROW_PATH(path), result));
}
static inline int burrow_fstatfs(int fd, struct statfs *result) {
  return __burrow_result(__burrow_fstatfs(fd, result));
}
#define statfs(path, result) burrow_statfs(path, result)
#define fstatfs(fd, result) burrow_fstatfs(fd, result)

/* ---- Watches. ---- */

static inline int inotify_init1(int flags) {
  return __burrow_result(__burrow_inotify_init1(flags));
}
static inline int inotify_init(void) { return inotify_init1(0); }
static inline int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  return __burrow_result(__burrow_inotify_add_watch(fd, BURROW_PATH(path), (int32_t)mask));
}
static inline int inotify_rm_watch(int fd, int wd) {
  return __burrow_result(__burrow_inotify_rm_watch(fd, wd));
}

/* ---- Extended attributes. ---- */

#define BURROW_NOFOLLOW 0x100

static inline int setxattr(const char *path, const char *name, const void *value, size_t size,
                           int flags) {
  return __burrow_result(
      __burrow_setxattr(BURROW_PATH(path), BURROW_PATH(name), value, size, flags, 0));
}
static inline int lsetxattr(const char *path, const char *name, const void *value, size_t size,
                            int flags) {
  return __burrow_result(__burrow_setxattr(BURROW_PATH(path), BURROW_PATH(name), value, size, flags,
                                           BURROW_NOFOLLOW));
}
static inline int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) {
  return __burrow_result(__burrow_fsetxattr(fd, BURROW_PATH(name), value, size, flags));
}
static inline ssize_t getxattr(const char *path, const char *name, void *value, size_t size) {
  return __burrow_result(__burrow_getxattr(BURROW_PATH(path), BURROW_PATH(name), value, size, 0));
}
static inline ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size) {
  return __burrow_result(
      __burrow_getxattr(BURROW_PATH(path), BURROW_PATH(name), value, size, BURROW_NOFOLLOW));
}
static inline ssize_t fgetxattr(int fd, const char *name, void *value, size_t size) {
  return __burrow_result(__burrow_fgetxattr(fd, BURROW_PATH(name), value, size));
}
static inline ssize_t listxattr(const char *path, char *list, size_t size) {
  return __burrow_result(__burrow_listxattr(BURROW_PATH(path), list, size, 0));
}
static inline ssize_t llistxattr(const char *path, char *list, size_t size) {
  return __burrow_result(__burrow_listxattr(BURROW_PATH(path), list, size, BURROW_NOFOLLOW));
}
static inline ssize_t flistxattr(int fd, char *list, size_t size) {
  return __burrow_result(__burrow_flistxattr(fd, list, size));
}
static inline int removexattr(const char *path, const char *name) {
  return __burrow_result(__burrow_removexattr(BURROW_PATH(path), BURROW_PATH(name), 0));
}
static inline int lremovexattr(const char *path, const char *name) {
  return __burrow_result(
      __burrow_removexattr(BURROW_PATH(path), BURROW_PATH(name), BURROW_NOFOLLOW));
}
static inline int fremovexattr(int fd, const char *name) {
  return __burrow_result(__burrow_fremovexattr(fd, BURROW_PATH(name)));
}

/* ---- Mounts and directories. ---- */

static inline int mount(const char *source, const char *target, const char *type,
                        unsigned long flags, const void *data) {
  const char *options = data ? (const char *)data : "";
  const char *from = source ? source : "";
  const char *name = type ? type : "";
  return __burrow_result(__burrow_mount(BURROW_PATH(from), BURROW_PATH(target), BURROW_PATH(name),
                                        (int32_t)flags, BURROW_PATH(options)));
}
static inline int umount2(const char *target, int flags) {
  return __burrow_result(__burrow_umount2(BURROW_PATH(target), flags));
}
static inline int umount(const char *target) { return umount2(target, 0); }

static inline int chroot(const char *path) {
  return __burrow_result(__burrow_chroot(BURROW_PATH(path)));
}

static inline char *burrow_getcwd(char *buffer, size_t size) {
  int32_t length = size == 0 ? -1 : __burrow_result(__burrow_getcwd(buffer, size - 1));
  if (length < 0) return NULL;
  buffer[length] = '\0';
  return buffer;
}
#define getcwd burrow_getcwd

/* wasi-libc keeps a directory of its own, for the paths it resolves itself. */
static inline int __burrow_follow_directory(int32_t result) {
  char path[4096];
  if (__burrow_result(result) < 0) return -1;
  return burrow_getcwd(path, sizeof path) ? (chdir)(path) : 0;
}
static inline int burrow_chdir(const char *path) {
  return __burrow_follow_directory(__burrow_chdir(BURROW_PATH(path)));
}
static inline int fchdir(int fd) { return __burrow_follow_directory(__burrow_fchdir(fd)); }
#define chdir burrow_chdir

#endif /* __wasm__ */
#endif /* BURROW_H */
