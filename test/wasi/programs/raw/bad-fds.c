/* Every function on a descriptor that isn't open; sockets' functions on one that isn't a socket. */
#include "raw.h"

int main(void) {
  uint8_t byte = 'x';
  __wasi_iovec_t in = {&byte, 1};
  __wasi_ciovec_t out = {&byte, 1};
  __wasi_size_t count;
  __wasi_filesize_t at;
  __wasi_fdstat_t fdstat;
  __wasi_filestat_t filestat;
  __wasi_prestat_t prestat;
  __wasi_fd_t fd;
  R(__wasi_fd_advise(BAD_FD, 0, 0, __WASI_ADVICE_NORMAL));
  R(__wasi_fd_allocate(BAD_FD, 0, 1));
  R(__wasi_fd_close(BAD_FD));
  R(__wasi_fd_datasync(BAD_FD));
  R(__wasi_fd_fdstat_get(BAD_FD, &fdstat));
  R(__wasi_fd_fdstat_set_flags(BAD_FD, 0));
  R(__wasi_fd_fdstat_set_rights(BAD_FD, 0, 0));
  R(__wasi_fd_filestat_get(BAD_FD, &filestat));
  R(__wasi_fd_filestat_set_size(BAD_FD, 1));
  R(__wasi_fd_filestat_set_times(BAD_FD, 0, 0, 0));
  R(__wasi_fd_pread(BAD_FD, &in, 1, 0, &count));
  R(__wasi_fd_prestat_get(BAD_FD, &prestat));
  R(__wasi_fd_prestat_dir_name(BAD_FD, &byte, 1));
  R(__wasi_fd_pwrite(BAD_FD, &out, 1, 0, &count));
  R(__wasi_fd_read(BAD_FD, &in, 1, &count));
  R(__wasi_fd_readdir(BAD_FD, &byte, 1, 0, &count));
  R(__wasi_fd_renumber(BAD_FD, BAD_FD));
  R(__wasi_fd_seek(BAD_FD, 0, __WASI_WHENCE_SET, &at));
  R(__wasi_fd_sync(BAD_FD));
  R(__wasi_fd_tell(BAD_FD, &at));
  R(__wasi_fd_write(BAD_FD, &out, 1, &count));
  R(__wasi_path_create_directory(BAD_FD, "x"));
  R(__wasi_path_filestat_get(BAD_FD, 0, "x", &filestat));
  R(__wasi_path_filestat_set_times(BAD_FD, 0, "x", 0, 0, 0));
  R(__wasi_path_open(BAD_FD, 0, "x", 0, READ, READ, 0, &fd));
  R(__wasi_path_readlink(BAD_FD, "x", &byte, 1, &count));
  R(__wasi_path_remove_directory(BAD_FD, "x"));
  R(__wasi_path_rename(BAD_FD, "x", TOP, "y"));
  R(__wasi_path_rename(TOP, "x", BAD_FD, "y"));
  R(__wasi_path_unlink_file(BAD_FD, "x"));
  R(__wasi_fd_close(0xffffffff));
  R(__wasi_fd_read(0x80000000, &in, 1, &count));

  put_file("f", "text");
  fd = open_at(TOP, "f", 0, READ | WRITE);
  __wasi_roflags_t flags;
  R(__wasi_sock_recv(fd, &in, 1, 0, &count, &flags));
  R(__wasi_sock_send(fd, &out, 1, 0, &count));
  R(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
  R(__wasi_sock_recv(BAD_FD, &in, 1, 0, &count, &flags));
  R(__wasi_sock_send(BAD_FD, &out, 1, 0, &count));
  R(__wasi_sock_shutdown(BAD_FD, __WASI_SDFLAGS_RD));

  /* A file where a directory is needed, and a descriptor that is no preopen. */
  R(__wasi_path_create_directory(fd, "x"));
  R(__wasi_path_filestat_get(fd, 0, "x", &filestat));
  R(__wasi_path_unlink_file(fd, "x"));
  R(__wasi_fd_prestat_get(fd, &prestat));
  R(__wasi_fd_prestat_get(TOP, &prestat));
  printf("a directory with a name: %d\n",
         prestat.tag == __WASI_PREOPENTYPE_DIR && prestat.u.dir.pr_name_len > 0);
  R(__wasi_fd_prestat_dir_name(TOP, &byte, 0));
  R(__wasi_fd_close(fd));
  R(__wasi_fd_close(fd));
  R(__wasi_sched_yield());
  return 0;
}
