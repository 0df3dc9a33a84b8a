/* path_open: oflags, lookup flags, fdflags, and what fd_fdstat_get says afterwards. */
#include "raw.h"

static void try_open(const char *label, const char *path, __wasi_lookupflags_t lookup,
                     __wasi_oflags_t oflags, __wasi_rights_t rights, __wasi_fdflags_t fdflags) {
  __wasi_fd_t fd;
  __wasi_errno_t error =
      __wasi_path_open(TOP, lookup, path, oflags, rights, rights, fdflags, &fd);
  printf("%s %s: %s", label, path, errno_text(error));
  __wasi_fdstat_t stat;
  if (error == 0 && (error = __wasi_fd_fdstat_get(fd, &stat)) == 0) {
    printf(", %s%s%s%s", filetype_text(stat.fs_filetype),
           stat.fs_flags & __WASI_FDFLAGS_APPEND ? " append" : "",
           stat.fs_flags & __WASI_FDFLAGS_NONBLOCK ? " nonblock" : "",
           stat.fs_flags & __WASI_FDFLAGS_SYNC ? " sync" : "");
    if (stat.fs_filetype == __WASI_FILETYPE_REGULAR_FILE) {
      printf("%s%s", stat.fs_rights_base & READ ? " reads" : "",
             stat.fs_rights_base & WRITE ? " writes" : "");
    }
    __wasi_fd_close(fd);
  }
  printf("\n");
}

int main(void) {
  put_file("f", "text");
  __wasi_path_create_directory(TOP, "d");
  __wasi_path_symlink("f", TOP, "lf");
  __wasi_path_symlink("d", TOP, "ld");
  __wasi_path_symlink("nowhere", TOP, "ln");
  const __wasi_oflags_t creat = __WASI_OFLAGS_CREAT, excl = __WASI_OFLAGS_EXCL;
  const __wasi_oflags_t directory = __WASI_OFLAGS_DIRECTORY, trunc = __WASI_OFLAGS_TRUNC;

  try_open("read", "f", FOLLOW, 0, READ, 0);
  try_open("write", "f", FOLLOW, 0, WRITE, 0);
  try_open("both", "f", FOLLOW, 0, READ | WRITE, 0);
  try_open("no rights", "f", FOLLOW, 0, 0, 0);
  try_open("append", "f", FOLLOW, 0, WRITE, __WASI_FDFLAGS_APPEND);
  try_open("nonblock", "f", FOLLOW, 0, READ, __WASI_FDFLAGS_NONBLOCK);
  try_open("read", "d", FOLLOW, 0, READ | __WASI_RIGHTS_FD_READDIR, 0);
  try_open("no rights", "d", FOLLOW, directory, 0, 0);
  try_open("write", "d", FOLLOW, 0, WRITE, 0);
  try_open("directory", "f", FOLLOW, directory, READ, 0);
  try_open("directory", "ld", FOLLOW, directory, 0, 0);
  try_open("directory, no follow", "ld", 0, directory, 0, 0);
  try_open("creat directory", "new", FOLLOW, creat | directory, READ, 0);
  try_open("creat excl", "f", FOLLOW, creat | excl, WRITE, 0);
  try_open("creat excl", "new", FOLLOW, creat | excl, WRITE, 0);
  try_open("creat", "d", FOLLOW, creat, READ | WRITE, 0);
  try_open("creat excl", "ln", FOLLOW, creat | excl, WRITE, 0);
  try_open("creat, no follow", "ln", 0, creat, WRITE, 0);
  try_open("no follow", "lf", 0, 0, READ, 0);
  try_open("follow", "lf", FOLLOW, 0, READ, 0);
  try_open("missing", "m", FOLLOW, 0, READ, 0);
  try_open("empty", "", FOLLOW, 0, READ, 0);
  try_open("in a file", "f/x", FOLLOW, creat, READ, 0);
  try_open("with a slash", "f/", FOLLOW, 0, READ, 0);

  __wasi_filestat_t stat;
  R(__wasi_path_filestat_get(TOP, 0, "f", &stat));
  printf("%llu bytes\n", (unsigned long long)stat.size);
  try_open("trunc", "f", FOLLOW, trunc, WRITE, 0);
  R(__wasi_path_filestat_get(TOP, 0, "f", &stat));
  printf("%llu bytes\n", (unsigned long long)stat.size);

  __wasi_fd_t file = open_at(TOP, "f", 0, READ), fd;
  R(__wasi_path_open(file, 0, "x", 0, READ, READ, 0, &fd));
  R(__wasi_path_open(BAD_FD, 0, "x", 0, READ, READ, 0, &fd));
  return 0;
}
