/* Symbolic links: made, read, followed, not followed, in loops and chains. */
#include "twin.h"

static void show_link(const char *path) {
  char target[64];
  ssize_t length = readlink(path, target, sizeof target);
  if (length < 0) {
    printf("readlink %s: %s\n", path, errno_name(errno));
  } else {
    printf("readlink %s: '%.*s'\n", path, (int)length, target);
  }
}

static void show_types(const char *path) {
  struct stat status;
  const char *followed = stat(path, &status) < 0 ? errno_name(errno) : type_name(status.st_mode);
  printf("%s: stat %s", path, followed);
  printf(", lstat %s\n", lstat(path, &status) < 0 ? errno_name(errno) : type_name(status.st_mode));
}

int main(void) {
  char buffer[8];
  struct stat status;
  mkdir("d", 0777);
  mkdir("d/e", 0777);
  put_file("f", "content");
  put_file("d/g", "inner");
  T(symlink("f", "to-f"));
  T(symlink("d/e", "to-e"));
  T(symlink("../f", "d/up"));
  T(symlink("../../d/g", "d/e/round"));
  T(symlink("nowhere", "dangling"));
  T(symlink("loop2", "loop1"));
  T(symlink("loop1", "loop2"));
  T(symlink("self/x", "self"));
  T(symlink("f", "f"));
  T(symlink("f", "to-f"));
  T(symlink("f", "dangling"));
  T(symlink("", "empty"));
  T(symlink("f", "missing/x"));

  show_link("to-f");
  show_link("d/up");
  show_link("to-e");
  show_link("to-e/");
  show_link("f");
  show_link("d");
  show_link("missing");
  show_link("loop1");
  show_link("to-e/round");
  cat_file("to-f");
  cat_file("d/up");
  cat_file("to-e/round");
  cat_file("to-e/../g");
  show_types("to-f");
  show_types("to-f/");
  show_types("to-e");
  show_types("to-e/");
  show_types("dangling");
  show_types("dangling/");
  show_types("loop1");
  show_types("loop1/x");
  show_types("self");

  T(readlink("d/e/round", buffer, 4));
  printf("'%.4s'\n", buffer);
  lstat("d/e/round", &status);
  printf("size of a link: %lld, links %d\n", (long long)status.st_size, (int)status.st_nlink);

  char from[16], to[16] = "f";
  for (int i = 1; i <= 41; i++) {
    snprintf(from, sizeof from, "chain%d", i);
    symlink(to, from);
    memcpy(to, from, sizeof to);
  }
  show_types("chain39");
  show_types("chain40");
  show_types("chain41");
  put_file("to-f", "written through");
  cat_file("f");
  return 0;
}
