/*
 * Helpers of the raw probes: they call preview1's functions past the C library and print the errno
 * of each. Descriptor 3 is the first preopen. The probe's .expected file says what must come out:
 * what the standard or wasmtime says and, where these leave it open, what Linux does.
 */
#ifndef RAW_H
#define RAW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define TOP 3
#define BAD_FD 77
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define READ __WASI_RIGHTS_FD_READ
#define WRITE __WASI_RIGHTS_FD_WRITE
/* What every open file may do besides reading and writing. */
#define FILE_RIGHTS                                                                              \
  (__WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL | __WASI_RIGHTS_FD_SYNC |                       \
   __WASI_RIGHTS_FD_DATASYNC | __WASI_RIGHTS_FD_ADVISE | __WASI_RIGHTS_FD_ALLOCATE |             \
   __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | __WASI_RIGHTS_FD_FILESTAT_GET |                           \
   __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES |                    \
   __WASI_RIGHTS_POLL_FD_READWRITE)

static inline const char *errno_text(__wasi_errno_t number) {
  static const char *const names[] = {
      "SUCCESS", "2BIG",     "ACCES",    "ADDRINUSE",   "ADDRNOTAVAIL", "AFNOSUPPORT",
      "AGAIN",   "ALREADY",  "BADF",     "BADMSG",      "BUSY",         "CANCELED",
      "CHILD",   "CONNABORTED", "CONNREFUSED", "CONNRESET", "DEADLK",   "DESTADDRREQ",
      "DOM",     "DQUOT",    "EXIST",    "FAULT",       "FBIG",         "HOSTUNREACH",
      "IDRM",    "ILSEQ",    "INPROGRESS", "INTR",      "INVAL",        "IO",
      "ISCONN",  "ISDIR",    "LOOP",     "MFILE",       "MLINK",        "MSGSIZE",
      "MULTIHOP", "NAMETOOLONG", "NETDOWN", "NETRESET", "NETUNREACH",   "NFILE",
      "NOBUFS",  "NODEV",    "NOENT",    "NOEXEC",      "NOLCK",        "NOLINK",
      "NOMEM",   "NOMSG",    "NOPROTOOPT", "NOSPC",     "NOSYS",        "NOTCONN",
      "NOTDIR",  "NOTEMPTY", "NOTRECOVERABLE", "NOTSOCK", "NOTSUP",     "NOTTY",
      "NXIO",    "OVERFLOW", "OWNERDEAD", "PERM",       "PIPE",         "PROTO",
      "PROTONOSUPPORT", "PROTOTYPE", "RANGE", "ROFS",   "SPIPE",        "SRCH",
      "STALE",   "TIMEDOUT", "TXTBSY",   "XDEV",        "NOTCAPABLE",
  };
  return number < sizeof names / sizeof names[0] ? names[number] : "?";
}

/* Makes a call and prints its source text with its errno. */
#define R(call) printf("%s: %s\n", #call, errno_text(call))

/* Opens a file beneath a descriptor; answers its own, or -1 after printing why not. */
static inline __wasi_fd_t open_at(__wasi_fd_t dir, const char *path, __wasi_oflags_t oflags,
                                  __wasi_rights_t rights) {
  __wasi_fd_t fd = (__wasi_fd_t)-1;
  __wasi_errno_t error =
      __wasi_path_open(dir, FOLLOW, path, oflags, rights | FILE_RIGHTS, 0, 0, &fd);
  if (error != 0) printf("open %s: %s\n", path, errno_text(error));
  return fd;
}

/* Opens a directory with the rights that its parent has. */
static inline __wasi_fd_t open_dir(__wasi_fd_t dir, const char *path) {
  __wasi_fdstat_t stat;
  __wasi_fd_t fd = (__wasi_fd_t)-1;
  __wasi_fd_fdstat_get(dir, &stat);
  __wasi_errno_t error =
      __wasi_path_open(dir, FOLLOW, path, __WASI_OFLAGS_DIRECTORY, stat.fs_rights_base,
                       stat.fs_rights_inheriting, 0, &fd);
  if (error != 0) printf("open %s: %s\n", path, errno_text(error));
  return fd;
}

static inline void put_file(const char *path, const char *text) {
  __wasi_fd_t fd =
      open_at(TOP, path, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, READ | WRITE);
  __wasi_ciovec_t part = {(const uint8_t *)text, strlen(text)};
  __wasi_size_t written;
  if (__wasi_fd_write(fd, &part, 1, &written) != 0) printf("cannot write %s\n", path);
  __wasi_fd_close(fd);
}

static inline const char *filetype_text(__wasi_filetype_t type) {
  switch (type) {
    case __WASI_FILETYPE_REGULAR_FILE: return "file";
    case __WASI_FILETYPE_DIRECTORY: return "dir";
    case __WASI_FILETYPE_SYMBOLIC_LINK: return "link";
    case __WASI_FILETYPE_CHARACTER_DEVICE: return "char";
    default: return "other";
  }
}

#endif
