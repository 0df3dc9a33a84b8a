/* pread(), pwrite(), readv(), writev(): offsets stay where they should. */
#include "twin.h"
#include <sys/uio.h>

int main(void) {
  char buffer[32] = "", small[3] = "";
  int fd = open("f", O_RDWR | O_CREAT, 0666);
  T(write(fd, "0123456789", 10));
  T(pread(fd, buffer, 4, 3));
  printf("%.4s\n", buffer);
  T(lseek(fd, 0, SEEK_CUR));
  T(pwrite(fd, "XY", 2, 1));
  T(lseek(fd, 0, SEEK_CUR));
  T(pread(fd, buffer, 32, 8));
  T(pread(fd, buffer, 32, 10));
  T(pread(fd, buffer, 32, 1000));
  T(pwrite(fd, "far", 3, 20));
  cat_file("f");
  T(read(fd, buffer, 0));
  T(write(fd, "", 0));
  T(pread(fd, buffer, 1, -1));
  T(pwrite(fd, "x", 1, -1));

  struct iovec parts[3] = {{"one ", 4}, {"", 0}, {"two", 3}};
  T(lseek(fd, 0, SEEK_SET));
  T(writev(fd, parts, 3));
  T(lseek(fd, 0, SEEK_CUR));
  T(lseek(fd, 0, SEEK_SET));
  struct iovec into[2] = {{small, 2}, {buffer, 5}};
  T(readv(fd, into, 2));
  printf("'%.2s' '%.5s'\n", small, buffer);
  T(preadv(fd, into, 2, 4));
  printf("'%.2s' '%.5s'\n", small, buffer);
  T(pwritev(fd, parts, 3, 13));
  T(lseek(fd, 0, SEEK_CUR));
  cat_file("f");

  /* A read over the end of the file is short; the vectors fill in order. */
  T(lseek(fd, -3, SEEK_END));
  T(readv(fd, into, 2));
  printf("'%.2s' '%.1s'\n", small, buffer);
  close(fd);
  T(pread(fd, buffer, 1, 0));
  T(pwrite(fd, "x", 1, 0));
  return 0;
}
