/* rename(): onto files, directories, itself and names that must be refused. */
#include "twin.h"

int main(void) {
  struct stat before, after;
  char buffer[8] = "";
  put_file("a", "A");
  put_file("b", "B");
  stat("a", &before);
  int fd = open("b", O_RDONLY);
  T(rename("a", "b"));
  stat("b", &after);
  printf("same inode: %d\n", before.st_ino == after.st_ino);
  T(read(fd, buffer, 8));
  printf("the replaced file still reads '%s'\n", buffer);
  fstat(fd, &after);
  printf("its links: %d\n", (int)after.st_nlink);
  close(fd);
  cat_file("b");
  T(rename("a", "c"));
  T(rename("b", "b"));

  mkdir("empty", 0777);
  mkdir("full", 0777);
  put_file("full/x", "x");
  mkdir("dir", 0777);
  put_file("dir/y", "y");
  T(rename("b", "dir"));
  T(rename("b", "dir/"));
  T(rename("dir", "b"));
  T(rename("dir", "full"));
  T(rename("dir", "empty"));
  list_dir("empty");
  T(rename("empty", "empty/inside"));
  T(rename("empty", "empty"));
  T(rename("full/x", "empty/x"));
  list_dir("empty");
  list_dir("full");
  T(rename("missing", "full"));
  T(rename("b", "missing/b"));
  T(rename("b", "b/c"));
  T(rename("b/", "c"));
  T(rename("b", "c/"));
  T(rename("full/", "moved/"));

  link("b", "b2");
  T(rename("b", "b2"));
  list_dir(".");
  symlink("b", "s");
  T(rename("s", "t"));
  T(rename("t", "b2"));
  list_dir(".");
  symlink("moved", "to-dir");
  T(rename("empty", "to-dir"));
  T(rename("to-dir", "moved/link"));
  list_dir("moved");
  T(rename("moved/.", "z"));
  T(rename("moved/..", "z"));
  T(rename("empty", "moved/link/.."));
  list_dir(".");
  return 0;
}
