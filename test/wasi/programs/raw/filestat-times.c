/* fd_filestat_set_times and path_filestat_set_times with each of their flags. */
#include "raw.h"

#define ATIM __WASI_FSTFLAGS_ATIM
#define ATIM_NOW __WASI_FSTFLAGS_ATIM_NOW
#define MTIM __WASI_FSTFLAGS_MTIM
#define MTIM_NOW __WASI_FSTFLAGS_MTIM_NOW
#define YEAR_2020 1577836800000000000ULL

static void show_time(const char *label, __wasi_timestamp_t time) {
  if (time > YEAR_2020) {
    printf(" %s now", label);
  } else {
    printf(" %s %llu", label, (unsigned long long)time);
  }
}

static void show(const char *path) {
  __wasi_filestat_t stat;
  __wasi_errno_t error = __wasi_path_filestat_get(TOP, 0, path, &stat);
  printf("%s: %s", path, errno_text(error));
  show_time("atim", stat.atim);
  show_time("mtim", stat.mtim);
  printf("\n");
}

int main(void) {
  put_file("f", "text");
  __wasi_path_symlink("f", TOP, "s");
  __wasi_fd_t fd = open_at(TOP, "f", 0, READ);
  R(__wasi_fd_filestat_set_times(fd, 1000000000123456789, 1100000000987654321, ATIM | MTIM));
  show("f");
  R(__wasi_fd_filestat_set_times(fd, 5, 7, 0));
  show("f");
  R(__wasi_fd_filestat_set_times(fd, 5, 7, MTIM));
  show("f");
  R(__wasi_fd_filestat_set_times(fd, 5, 7, ATIM_NOW));
  show("f");
  R(__wasi_fd_filestat_set_times(fd, 999999999, 1, ATIM | MTIM_NOW));
  show("f");
  R(__wasi_fd_filestat_set_times(fd, 1, 2, ATIM | ATIM_NOW));
  R(__wasi_fd_filestat_set_times(fd, 1, 2, MTIM | MTIM_NOW));
  R(__wasi_fd_filestat_set_times(fd, 0, 0, ATIM | MTIM));
  show("f");
  R(__wasi_fd_filestat_set_times(BAD_FD, 1, 2, ATIM | MTIM));

  R(__wasi_path_filestat_set_times(TOP, 0, "s", 11, 12, ATIM | MTIM));
  show("s");
  show("f");
  R(__wasi_path_filestat_set_times(TOP, FOLLOW, "s", 1, 22, ATIM | MTIM));
  show("f");
  R(__wasi_path_filestat_set_times(TOP, 0, "missing", 1, 2, ATIM | MTIM));
  R(__wasi_path_filestat_set_times(TOP, 0, "f", 1, 2, ATIM | ATIM_NOW));
  R(__wasi_path_filestat_set_times(TOP, 0, "f", 0, 0, ATIM_NOW | MTIM_NOW));
  show("f");
  return 0;
}
