/* A file without a name lives on while it is open. */
#include "twin.h"

int main(void) {
  struct stat old, new;
  char buffer[16] = "";
  int fd = open("f", O_RDWR | O_CREAT, 0666);
  T(write(fd, "hello", 5));
  T(unlink("f"));
  T(unlink("f"));
  T(fstat(fd, &old));
  printf("links %d size %lld\n", (int)old.st_nlink, (long long)old.st_size);
  T(write(fd, " world", 6));
  T(pread(fd, buffer, 11, 0));
  printf("'%s'\n", buffer);
  T(ftruncate(fd, 2));
  T(fsync(fd));

  put_file("f", "other");
  stat("f", &new);
  printf("another inode: %d\n", old.st_ino != new.st_ino);
  memset(buffer, 0, sizeof buffer);
  T(pread(fd, buffer, 16, 0));
  printf("'%s'\n", buffer);
  cat_file("f");
  T(close(fd));

  mkdir("d", 0777);
  T(unlink("d"));
  T(unlink("d/"));
  T(unlink("f/"));
  T(unlink("f/x"));
  T(unlink("no/x"));
  T(rmdir("f"));

  symlink("f", "s");
  T(unlink("s"));
  symlink("d", "sd");
  T(unlink("sd/"));
  T(unlink("sd"));
  list_dir(".");

  mkdir("gone", 0777);
  int dir = open("gone", O_RDONLY | O_DIRECTORY);
  T(rmdir("gone"));
  T(openat(dir, "x", O_WRONLY | O_CREAT, 0666));
  T(mkdirat(dir, "y", 0777));
  T(fstat(dir, &old));
  printf("%s\n", type_name(old.st_mode));
  return remove("d") == 0 && remove("f") == 0 ? 0 : 1;
}
