/* Pointers and lengths outside of memory: FAULT, and never a trap. */
#include "raw.h"

#define FAR ((void *)0xfffffff0u)

int main(void) {
  uint8_t byte = 'x';
  __wasi_size_t count = 0;
  __wasi_fd_t opened;
  __wasi_filestat_t stat;
  put_file("f", "text");
  __wasi_fd_t fd = open_at(TOP, "f", 0, READ | WRITE);

  R(__wasi_fd_write(fd, FAR, 1, &count));
  R(__wasi_fd_read(fd, FAR, 1, &count));
  __wasi_ciovec_t far_out[] = {{FAR, 100}};
  __wasi_iovec_t far_in[] = {{FAR, 100}};
  __wasi_iovec_t long_in[] = {{&byte, 0xffffffff}};
  R(__wasi_fd_write(fd, far_out, 1, &count));
  R(__wasi_fd_pwrite(fd, far_out, 1, 0, &count));
  R(__wasi_fd_read(fd, far_in, 1, &count));
  R(__wasi_fd_pread(fd, far_in, 1, 0, &count));
  R(__wasi_fd_read(fd, long_in, 1, &count));
  __wasi_ciovec_t one[] = {{&byte, 1}};
  R(__wasi_fd_pwrite(fd, one, 0x20000000, 0, &count));
  R(__wasi_fd_pwrite(fd, one, 1, 0, FAR));
  R(__wasi_fd_fdstat_get(fd, FAR));
  R(__wasi_fd_filestat_get(fd, FAR));
  R(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, FAR));
  R(__wasi_fd_readdir(TOP, FAR, 100, 0, &count));
  R(__wasi_fd_readdir(TOP, &byte, 0xffffffff, 0, &count));
  R(__wasi_fd_prestat_get(TOP, FAR));
  R(__wasi_path_filestat_get(TOP, 0, "f", FAR));
  R(__wasi_path_open(TOP, 0, "f", 0, READ, READ, 0, FAR));
  R(__wasi_path_readlink(TOP, "f", FAR, 10, &count));
  R(__wasi_random_get(FAR, 100));
  R(__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 0, FAR));
  R(__wasi_args_sizes_get(FAR, FAR));
  R(__wasi_args_get(FAR, FAR));
  R(__wasi_poll_oneoff(FAR, FAR, 1, &count));

  /* An empty vector touches nothing, wherever it points. */
  __wasi_ciovec_t nothing[] = {{&byte, 0}};
  R(__wasi_fd_write(fd, nothing, 1, &count));
  R(__wasi_fd_write(fd, nothing, 0, &count));
  R(__wasi_random_get(&byte, 0));

  /* Still alive, and the file has only what was written to it before. */
  R(__wasi_path_open(TOP, 0, "f", 0, READ, READ, 0, &opened));
  R(__wasi_fd_filestat_get(opened, &stat));
  printf("%llu bytes\n", (unsigned long long)stat.size);
  return 0;
}
