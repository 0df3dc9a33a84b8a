/* fd_renumber and the choice of descriptor numbers. */
#include "raw.h"

static void read_byte(__wasi_fd_t fd) {
  uint8_t byte = '-';
  __wasi_iovec_t part = {&byte, 1};
  __wasi_size_t count;
  __wasi_errno_t error = __wasi_fd_read(fd, &part, 1, &count);
  printf("read: %s %c\n", errno_text(error), byte);
}

int main(void) {
  put_file("a", "A!");
  put_file("b", "B!");
  __wasi_fd_t a = open_at(TOP, "a", 0, READ);
  __wasi_fd_t b = open_at(TOP, "b", 0, READ);
  printf("numbers follow on: %d\n", b == a + 1);
  R(__wasi_fd_renumber(a, b));
  read_byte(a);
  read_byte(b);
  R(__wasi_fd_close(a));
  printf("the lowest is given out: %d\n", open_at(TOP, "a", 0, READ) == a);
  R(__wasi_fd_renumber(b, b));
  read_byte(b);
  R(__wasi_fd_renumber(a, BAD_FD));
  R(__wasi_fd_renumber(BAD_FD, a));
  read_byte(a);
  R(__wasi_fd_close(b));
  R(__wasi_fd_close(b));
  R(__wasi_fd_renumber(a, b));
  R(__wasi_fd_close(a));
  return 0;
}
