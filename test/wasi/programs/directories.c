/* mkdir() and rmdir(), with the names they refuse. */
#include "twin.h"

int main(void) {
  put_file("f", "");
  T(mkdir("d", 0777));
  T(mkdir("d", 0777));
  T(mkdir("f", 0777));
  T(mkdir("f/x", 0777));
  T(mkdir("missing/x", 0777));
  T(mkdir(".", 0777));
  T(mkdir("d/..", 0777));
  T(mkdir("slash/", 0777));
  T(mkdir("d//deep///", 0777));
  T(mkdir("d/./deep/../other", 0777));
  list_dir(".");
  list_dir("d");
  symlink("nowhere", "dangling");
  symlink("d", "to-d");
  T(mkdir("dangling", 0777));
  T(mkdir("to-d", 0777));
  T(mkdir("to-d/new", 0777));
  list_dir("d");

  T(rmdir("d"));
  T(rmdir("f"));
  T(rmdir("missing"));
  T(rmdir("missing/x"));
  T(rmdir("f/x"));
  T(rmdir("slash/."));
  T(rmdir("d/deep/.."));
  T(rmdir("to-d"));
  T(rmdir("to-d/"));
  T(rmdir("dangling"));
  T(rmdir("slash/"));
  T(rmdir("to-d/new"));
  T(rmdir("d/deep"));
  T(rmdir("d/other"));
  T(rmdir("d"));
  list_dir(".");

  char path[128] = "t";
  mkdir(path, 0777);
  for (int i = 0; i < 30; i++) {
    strcat(path, "/x");
    if (mkdir(path, 0777) < 0) printf("depth %d: %s\n", i, errno_name(errno));
  }
  strcat(path, "/leaf");
  put_file(path, "deep");
  T(size_of(path));
  T(unlink(path));
  for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
    *slash = '\0';
    if (rmdir(path) < 0) printf("%s: %s\n", path, errno_name(errno));
  }
  list_dir(".");
  return 0;
}
