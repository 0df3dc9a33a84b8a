/* fsync(), fdatasync(), posix_fallocate() and posix_fadvise(). */
#include "twin.h"

static void show(const char *what, int error) {
  printf("%s: %s\n", what, error == 0 ? "ok" : errno_name(error));
}

int main(void) {
  int fd = open("f", O_RDWR | O_CREAT, 0666);
  write(fd, "data", 4);
  T(fsync(fd));
  T(fdatasync(fd));
  show("allocate beyond the end", posix_fallocate(fd, 0, 10000));
  T(size_of("f"));
  show("allocate within", posix_fallocate(fd, 100, 50));
  T(size_of("f"));
  cat_file("f");
  show("allocate from past the end", posix_fallocate(fd, 20000, 1));
  T(size_of("f"));
  show("allocate nothing", posix_fallocate(fd, 0, 0));
  show("allocate before the start", posix_fallocate(fd, -1, 10));
  show("allocate a bad descriptor", posix_fallocate(77, 0, 10));
  show("advise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  show("advise not needed", posix_fadvise(fd, 0, 4096, POSIX_FADV_DONTNEED));
  show("advise a bad descriptor", posix_fadvise(77, 0, 0, POSIX_FADV_NORMAL));
  T(lseek(fd, 0, SEEK_CUR));
  close(fd);
  T(fsync(fd));
  T(fdatasync(77));
  fd = open("f", O_RDONLY);
  T(fsync(fd));
  show("allocate for reading only", posix_fallocate(fd, 0, 10));
  mkdir("d", 0777);
  T(fsync(open("d", O_RDONLY)));
  int synced = open("s", O_WRONLY | O_CREAT | O_SYNC, 0666);
  T(write(synced, "durable", 7));
  cat_file("s");
  return 0;
}
