/* path_link, path_symlink and path_readlink. */
#include "raw.h"

static uint8_t buffer[32];

static void read_link(const char *path, __wasi_size_t size) {
  __wasi_size_t used = 99;
  memset(buffer, '.', sizeof buffer);
  __wasi_errno_t error = __wasi_path_readlink(TOP, path, buffer, size, &used);
  printf("readlink %s into %u: %s", path, (unsigned)size, errno_text(error));
  if (error == 0) printf(", %u '%.8s'", (unsigned)used, buffer);
  printf("\n");
}

static void show(const char *path) {
  __wasi_filestat_t stat;
  __wasi_errno_t error = __wasi_path_filestat_get(TOP, 0, path, &stat);
  printf("%s: %s", path, errno_text(error));
  if (error == 0) {
    printf(", %s, %llu bytes, %llu links", filetype_text(stat.filetype),
           (unsigned long long)stat.size, (unsigned long long)stat.nlink);
  }
  printf("\n");
}

int main(void) {
  put_file("f", "text");
  __wasi_path_create_directory(TOP, "d");
  R(__wasi_path_symlink("target", TOP, "s"));
  R(__wasi_path_symlink("target", TOP, "s"));
  R(__wasi_path_symlink("../f", TOP, "d/up"));
  R(__wasi_path_symlink("", TOP, "empty"));
  R(__wasi_path_symlink("f", TOP, "missing/s"));
  R(__wasi_path_symlink("f", BAD_FD, "s2"));
  read_link("s", 32);
  read_link("s", 6);
  read_link("s", 5);
  read_link("s", 1);
  read_link("f", 32);
  read_link("d", 32);
  read_link("missing", 32);
  show("s");
  show("d/up");

  R(__wasi_path_link(TOP, 0, "f", TOP, "hard"));
  R(__wasi_path_link(TOP, 0, "f", TOP, "hard"));
  R(__wasi_path_link(TOP, 0, "d", TOP, "hard-dir"));
  R(__wasi_path_link(TOP, 0, "d/up", TOP, "also-up"));
  R(__wasi_path_link(TOP, FOLLOW, "d/up", TOP, "hard2"));
  R(__wasi_path_link(TOP, 0, "missing", TOP, "x"));
  R(__wasi_path_link(TOP, 0, "f/", TOP, "x"));
  R(__wasi_path_link(BAD_FD, 0, "f", TOP, "x"));
  R(__wasi_path_link(TOP, 0, "f", BAD_FD, "x"));
  show("f");
  show("also-up");
  __wasi_filestat_t a, b;
  __wasi_path_filestat_get(TOP, 0, "f", &a);
  __wasi_path_filestat_get(TOP, FOLLOW, "d/up", &b);
  printf("one file: %d\n", a.ino == b.ino && a.dev == b.dev);
  R(__wasi_path_unlink_file(TOP, "f"));
  show("hard");
  R(__wasi_path_unlink_file(TOP, "d"));
  R(__wasi_path_remove_directory(TOP, "hard"));
  R(__wasi_path_remove_directory(TOP, "d"));
  R(__wasi_path_rename(TOP, "s", TOP, "d/s"));
  show("d/s");
  return 0;
}
