/* What each flag of open() allows, makes and refuses. */
#include "twin.h"

int main(void) {
  int fd;
  char byte;
  put_file("f", "hello");
  mkdir("d", 0777);
  symlink("f", "to-file");
  symlink("d", "to-dir");
  symlink("nowhere", "dangling");

  TFD(fd, open("f", O_RDONLY));
  T(write(fd, "x", 1));
  T(read(fd, &byte, 1));
  T(close(fd));
  T(close(fd));
  TFD(fd, open("f", O_WRONLY));
  T(read(fd, &byte, 1));
  T(write(fd, "J", 1));
  close(fd);
  cat_file("f");
  TFD(fd, open("f", O_RDWR));
  T(read(fd, &byte, 1));
  T(write(fd, "E", 1));
  close(fd);
  cat_file("f");

  TFD(fd, open("f", O_WRONLY | O_CREAT | O_EXCL, 0666));
  TFD(fd, open("new", O_WRONLY | O_CREAT | O_EXCL, 0666));
  close(fd);
  TFD(fd, open("f", O_WRONLY | O_CREAT, 0666));
  close(fd);
  cat_file("f");
  TFD(fd, open("f", O_WRONLY | O_TRUNC));
  close(fd);
  cat_file("f");
  TFD(fd, open("missing", O_RDONLY));
  TFD(fd, open("missing", O_WRONLY | O_TRUNC));

  TFD(fd, open("f", O_RDONLY | O_DIRECTORY));
  TFD(fd, open("d", O_RDONLY | O_DIRECTORY));
  close(fd);
  TFD(fd, open("to-dir", O_RDONLY | O_DIRECTORY));
  close(fd);
  TFD(fd, open("d", O_WRONLY));
  TFD(fd, open("d", O_RDWR));
  TFD(fd, open("d", O_RDONLY | O_CREAT, 0666));
  TFD(fd, open("d", O_WRONLY | O_CREAT | O_EXCL, 0666));

  TFD(fd, open("to-file", O_RDONLY));
  close(fd);
  TFD(fd, open("to-file", O_RDONLY | O_NOFOLLOW));
  TFD(fd, open("to-file", O_WRONLY | O_CREAT | O_EXCL, 0666));
  TFD(fd, open("dangling", O_RDONLY));
  TFD(fd, open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0666));
  TFD(fd, open("dangling", O_WRONLY | O_CREAT, 0666));
  close(fd);
  list_dir(".");
  return 0;
}
