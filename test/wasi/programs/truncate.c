/* Growing and shrinking files. */
#include "twin.h"

int main(void) {
  put_file("f", "0123456789");
  T(truncate("f", 4));
  cat_file("f");
  T(truncate("f", 8));
  cat_file("f");
  T(truncate("f", 0));
  T(size_of("f"));
  T(truncate("f", -1));
  T(truncate("missing", 1));
  mkdir("d", 0777);
  T(truncate("d", 1));
  T(truncate("f/x", 1));
  symlink("f", "s");
  T(truncate("s", 2));
  cat_file("f");

  int fd = open("f", O_RDWR);
  T(lseek(fd, 10, SEEK_SET));
  T(ftruncate(fd, 3));
  T(lseek(fd, 0, SEEK_CUR));
  T(write(fd, "x", 1));
  cat_file("f");
  T(ftruncate(fd, -1));
  T(ftruncate(fd, 100000));
  T(size_of("f"));
  T(ftruncate(fd, 5000));
  T(ftruncate(fd, 9000));
  T(pwrite(fd, "end", 3, 8997));
  cat_file("f");
  close(fd);
  fd = open("f", O_RDONLY);
  T(ftruncate(fd, 1));
  close(fd);
  T(ftruncate(fd, 1));
  T(ftruncate(77, 1));
  T(size_of("f"));
  return 0;
}
