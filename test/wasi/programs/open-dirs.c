/* Directories as descriptors: the *at() calls, and what reading one does. */
#include "twin.h"

int main(void) {
  char buffer[16];
  struct stat a, b;
  mkdir("d", 0777);
  mkdir("d/sub", 0777);
  put_file("d/f", "in d");
  put_file("top", "top");
  int fd, d;
  TFD(d, open("d", O_RDONLY | O_DIRECTORY));
  T(read(d, buffer, 1));
  T(write(d, "x", 1));
  fstat(d, &a);
  stat("d", &b);
  printf("%s, the same: %d\n", type_name(a.st_mode), a.st_ino == b.st_ino);

  TFD(fd, openat(d, "f", O_RDONLY));
  T(read(fd, buffer, 16));
  close(fd);
  TFD(fd, openat(d, "new", O_WRONLY | O_CREAT | O_EXCL, 0666));
  close(fd);
  TFD(fd, openat(d, "missing", O_RDONLY));
  TFD(fd, openat(d, "sub/../f", O_RDONLY));
  close(fd);
  TFD(fd, openat(d, ".", O_RDONLY));
  close(fd);
  T(mkdirat(d, "made", 0777));
  T(symlinkat("f", d, "s"));
  T(readlinkat(d, "s", buffer, 16));
  T(fstatat(d, "s", &a, 0));
  printf("%s\n", type_name(a.st_mode));
  T(fstatat(d, "s", &a, AT_SYMLINK_NOFOLLOW));
  printf("%s\n", type_name(a.st_mode));
  T(linkat(d, "f", d, "hard", 0));
  T(renameat(d, "hard", d, "sub/hard"));
  T(renameat(d, "new", AT_FDCWD, "moved"));
  T(unlinkat(d, "s", 0));
  T(unlinkat(d, "made", 0));
  T(unlinkat(d, "f", AT_REMOVEDIR));
  T(unlinkat(d, "made", AT_REMOVEDIR));
  T(faccessat(d, "f", F_OK, 0));
  T(faccessat(d, "made", F_OK, 0));
  list_dir("d");
  list_dir("d/sub");

  fd = open("top", O_RDONLY);
  T(openat(fd, "x", O_RDONLY));
  T(openat(77, "x", O_RDONLY));
  T(mkdirat(fd, "x", 0777));
  printf("fdopendir of a file: %s\n", fdopendir(fd) == NULL ? errno_name(errno) : "open");
  close(fd);

  /* The descriptor follows the directory to its new name. */
  T(rename("d", "e"));
  TFD(fd, openat(d, "f", O_RDONLY));
  close(fd);
  DIR *dir = fdopendir(d);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
  printf("%d entries\n", count);
  T(dirfd(dir) == d);
  T(closedir(dir));
  T(close(d));
  T(fsync(open("e", O_RDONLY)));
  list_dir(".");
  return 0;
}
