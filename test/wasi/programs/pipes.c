/* Pipes and FIFOs that don't make a process wait. */
#include "burrow.h"
#include "twin.h"
#include <poll.h>

static void show_poll(const char *what, int fd, short events) {
  struct pollfd poller = {.fd = fd, .events = events};
  int count = poll(&poller, 1, 0);
  printf("%s: %d%s%s\n", what, count, poller.revents & POLLIN ? " in" : "",
         poller.revents & POLLOUT ? " out" : "");
}

int main(void) {
  int ends[2], fd, other;
  static char buffer[100000];
  memset(buffer, 'x', sizeof buffer);
  T(pipe2(ends, O_NONBLOCK));
  T(read(ends[0], buffer, 10));
  show_poll("empty", ends[0], POLLIN);
  T(write(ends[1], "hello", 5));
  T(write(ends[1], "world", 5));
  T(burrow_fionread(ends[0]));
  show_poll("filled", ends[0], POLLIN);
  T(read(ends[0], buffer, 7));
  T(write(ends[1], buffer, sizeof buffer));
  T(write(ends[1], buffer, 1));
  show_poll("full", ends[1], POLLOUT);
  T(read(ends[0], buffer, 4096));
  T(write(ends[1], buffer, 4096));
  T(write(ends[0], "x", 1));
  T(read(ends[1], buffer, 1));
  T(lseek(ends[0], 0, SEEK_SET));
  T(close(ends[1]));
  while (read(ends[0], buffer, sizeof buffer) > 0) continue;
  T(read(ends[0], buffer, sizeof buffer));
  T(close(ends[0]));
  T(mkfifo("fifo", 0600));
  T(mkfifo("fifo", 0600));
  TFD(fd, open("fifo", O_WRONLY | O_NONBLOCK));
  TFD(fd, open("fifo", O_RDONLY | O_NONBLOCK));
  T(read(fd, buffer, 10));
  TFD(other, open("fifo", O_WRONLY | O_NONBLOCK));
  T(read(fd, buffer, 10));
  T(write(other, "through", 7));
  T(read(fd, buffer, 10));
  T(close(other));
  T(read(fd, buffer, 10));
  T(close(fd));
  TFD(fd, open("fifo", O_RDWR));
  T(write(fd, "to itself", 9));
  T(read(fd, buffer, 100));
  T(mknod("socket", S_IFSOCK | 0600, 0));
  TFD(other, open("socket", O_RDWR));
  struct statx stat;
  T(statx(AT_FDCWD, "fifo", 0, STATX_BASIC_STATS, &stat));
  printf("%o\n", stat.stx_mode);
  return 0;
}
