/* Hard links: one file under several names. */
#include "twin.h"

static void show(const char *path) {
  struct stat status;
  if (lstat(path, &status) < 0) {
    printf("%s: %s\n", path, errno_name(errno));
  } else {
    printf("%s: %s, %d links, %lld bytes\n", path, type_name(status.st_mode),
           (int)status.st_nlink, (long long)status.st_size);
  }
}

int main(void) {
  struct stat a, b;
  put_file("a", "one");
  mkdir("d", 0777);
  T(link("a", "b"));
  T(link("b", "d/c"));
  show("a");
  stat("a", &a);
  stat("d/c", &b);
  printf("same file: %d\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
  put_file("d/c", "longer");
  show("a");
  cat_file("b");
  T(link("a", "b"));
  T(link("a", "a"));
  T(link("a", "d"));
  T(link("d", "e"));
  T(link("missing", "e"));
  T(link("a", "missing/e"));
  T(link("a", "b/e"));
  T(link("a/", "e"));
  T(link("a", "e/"));

  symlink("a", "s");
  T(link("s", "s2"));
  show("s2");
  show("a");
  T(linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
  show("s3");
  show("a");
  symlink("nowhere", "dangling");
  T(link("a", "dangling"));
  T(link("dangling", "dangling2"));
  show("dangling2");

  T(unlink("a"));
  show("b");
  T(unlink("b"));
  T(unlink("s3"));
  show("d/c");
  cat_file("d/c");
  return 0;
}
