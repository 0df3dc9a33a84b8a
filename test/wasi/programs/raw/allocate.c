/* fd_allocate, fd_advise, fd_seek, fd_tell, fd_filestat_set_size and the clocks' arguments. */
#include "raw.h"

static __wasi_fd_t fd;

static void show_size(void) {
  __wasi_filestat_t stat;
  __wasi_fd_filestat_get(fd, &stat);
  printf("%llu bytes\n", (unsigned long long)stat.size);
}

int main(void) {
  __wasi_filesize_t at = 0;
  __wasi_timestamp_t time;
  put_file("f", "text");
  fd = open_at(TOP, "f", 0, READ | WRITE);
  R(__wasi_fd_allocate(fd, 0, 2));
  show_size();
  R(__wasi_fd_allocate(fd, 10, 90));
  show_size();
  R(__wasi_fd_allocate(fd, 0, 0));
  R(__wasi_fd_filestat_set_size(fd, 5));
  show_size();
  R(__wasi_fd_filestat_set_size(fd, 0x100000005));
  show_size();
  R(__wasi_fd_filestat_set_size(fd, 0xffffffffffffffff));
  R(__wasi_fd_filestat_set_size(fd, 4));
  R(__wasi_fd_advise(fd, 0, 4, __WASI_ADVICE_SEQUENTIAL));
  R(__wasi_fd_advise(fd, 0, 0, __WASI_ADVICE_DONTNEED));
  R(__wasi_fd_advise(fd, 0, 0, 99));

  R(__wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at));
  R(__wasi_fd_seek(fd, 2, __WASI_WHENCE_CUR, &at));
  printf("at %llu\n", (unsigned long long)at);
  R(__wasi_fd_seek(fd, -4, __WASI_WHENCE_END, &at));
  printf("at %llu\n", (unsigned long long)at);
  R(__wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &at));
  R(__wasi_fd_seek(fd, -5, __WASI_WHENCE_END, &at));
  R(__wasi_fd_seek(fd, 0, 9, &at));
  R(__wasi_fd_seek(fd, 0x100000000, __WASI_WHENCE_SET, &at));
  R(__wasi_fd_tell(fd, &at));
  printf("at %llu\n", (unsigned long long)at);

  R(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &time));
  R(__wasi_clock_time_get(99, 0, &time));
  R(__wasi_clock_res_get(__WASI_CLOCKID_REALTIME, &time));
  R(__wasi_clock_res_get(99, &time));

  __wasi_fd_t reader = open_at(TOP, "f", 0, READ);
  R(__wasi_fd_allocate(reader, 0, 10));
  return 0;
}
