/* What may be done with descriptors opened for less; the flags that can be changed later. */
#include "raw.h"

static uint8_t byte = 'x';
static __wasi_iovec_t into = {&byte, 1};
static const __wasi_ciovec_t from = {(const uint8_t *)"y", 1};

int main(void) {
  __wasi_fdstat_t stat;
  __wasi_size_t count;
  __wasi_filesize_t at;
  R(__wasi_fd_fdstat_get(TOP, &stat));
  printf("the preopen is a %s\n", filetype_text(stat.fs_filetype));
  const __wasi_rights_t needed = __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_FD_READDIR |
                                 __WASI_RIGHTS_PATH_CREATE_FILE | __WASI_RIGHTS_PATH_FILESTAT_GET;
  printf("with rights over paths: %d\n", (stat.fs_rights_base & needed) == needed);
  printf("to hand down: %d\n", (stat.fs_rights_inheriting & (READ | WRITE)) == (READ | WRITE));

  put_file("f", "0123456789");
  __wasi_fd_t reader = open_at(TOP, "f", 0, READ);
  __wasi_fd_t writer = open_at(TOP, "f", 0, WRITE);
  __wasi_fd_t dir;
  R(__wasi_path_open(TOP, 0, ".", __WASI_OFLAGS_DIRECTORY, 0, 0, 0, &dir));
  R(__wasi_fd_write(reader, &from, 1, &count));
  R(__wasi_fd_pwrite(reader, &from, 1, 0, &count));
  R(__wasi_fd_read(writer, &into, 1, &count));
  R(__wasi_fd_pread(writer, &into, 1, 0, &count));
  R(__wasi_fd_filestat_set_size(reader, 1));
  R(__wasi_fd_filestat_set_size(writer, 5));
  R(__wasi_fd_seek(reader, 0, __WASI_WHENCE_END, &at));
  printf("the end: %llu\n", (unsigned long long)at);
  R(__wasi_fd_sync(reader));
  R(__wasi_fd_datasync(writer));
  R(__wasi_fd_read(dir, &into, 1, &count));

  /* A directory opened with no rights at all serves as one. */
  __wasi_filestat_t info;
  R(__wasi_path_filestat_get(dir, 0, "f", &info));
  R(__wasi_path_create_directory(dir, "made"));
  R(__wasi_path_remove_directory(dir, "made"));
  R(__wasi_fd_close(open_at(dir, "f", 0, READ)));

  R(__wasi_fd_fdstat_set_flags(writer, __WASI_FDFLAGS_APPEND));
  R(__wasi_fd_fdstat_get(writer, &stat));
  printf("append: %d\n", (stat.fs_flags & __WASI_FDFLAGS_APPEND) != 0);
  R(__wasi_fd_write(writer, &from, 1, &count));
  R(__wasi_fd_tell(writer, &at));
  printf("written at the end: %llu\n", (unsigned long long)at);
  R(__wasi_fd_fdstat_set_flags(writer, 0));
  R(__wasi_fd_fdstat_get(writer, &stat));
  printf("append: %d\n", (stat.fs_flags & __WASI_FDFLAGS_APPEND) != 0);
  R(__wasi_fd_fdstat_set_flags(BAD_FD, 0));

  /* Rights can be given up and then no longer had back. */
  R(__wasi_fd_fdstat_set_rights(writer, __WASI_RIGHTS_FD_TELL, 0));
  R(__wasi_fd_fdstat_set_rights(writer, WRITE, 0));
  return 0;
}
