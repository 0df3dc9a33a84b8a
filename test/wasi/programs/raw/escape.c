/* No path leads out of a directory's descriptor: `..`, absolute paths and symbolic links. */
#include "raw.h"

static __wasi_fd_t inside;

static void try_all(const char *path) {
  uint8_t buffer[16];
  __wasi_size_t used;
  __wasi_filestat_t stat;
  __wasi_fd_t fd;
  const __wasi_errno_t results[] = {
      __wasi_path_open(inside, FOLLOW, path, 0, READ, READ, 0, &fd),
      __wasi_path_open(inside, FOLLOW, path, __WASI_OFLAGS_CREAT, WRITE, WRITE, 0, &fd),
      __wasi_path_filestat_get(inside, FOLLOW, path, &stat),
      __wasi_path_filestat_get(inside, 0, path, &stat),
      __wasi_path_filestat_set_times(inside, FOLLOW, path, 1, 1, __WASI_FSTFLAGS_MTIM),
      __wasi_path_readlink(inside, path, buffer, sizeof buffer, &used),
      __wasi_path_create_directory(inside, path),
      __wasi_path_remove_directory(inside, path),
      __wasi_path_unlink_file(inside, path),
      __wasi_path_symlink("x", inside, path),
      __wasi_path_link(inside, 0, path, inside, "taken"),
      __wasi_path_link(inside, 0, "in", inside, path),
      __wasi_path_rename(inside, path, inside, "taken"),
      __wasi_path_rename(inside, "in", inside, path),
  };
  printf("%s:", path);
  for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
    printf(" %s", errno_text(results[i]));
  }
  printf("\n");
}

static void try_open(const char *path) {
  __wasi_fd_t fd;
  __wasi_errno_t error = __wasi_path_open(inside, FOLLOW, path, 0, READ, READ, 0, &fd);
  printf("open %s: %s\n", path, errno_text(error));
  if (error == 0) __wasi_fd_close(fd);
}

int main(void) {
  put_file("secret", "outside");
  __wasi_path_create_directory(TOP, "d");
  __wasi_path_create_directory(TOP, "d/sub");
  put_file("d/in", "inside");
  __wasi_path_symlink("../secret", TOP, "d/out");
  __wasi_path_symlink("..", TOP, "d/up");
  __wasi_path_symlink("sub/../in", TOP, "d/round");
  __wasi_path_symlink("out", TOP, "d/twice");
  inside = open_dir(TOP, "d");

  try_all("../secret");
  try_all("sub/../../secret");
  try_all("../d/in");
  try_all("../missing");
  try_all("/secret");
  try_all("/");
  try_all("up/secret");
  try_open("..");
  try_open("out");
  try_open("twice");
  try_open("up");
  try_open("round");
  try_open("sub/..");
  try_open("sub/../in");
  try_open("./sub/./../in");
  try_open("in");

  /* The link itself is inside: it can be looked at, renamed and removed. */
  uint8_t buffer[16];
  __wasi_size_t used;
  __wasi_filestat_t stat;
  R(__wasi_path_filestat_get(inside, 0, "out", &stat));
  R(__wasi_path_filestat_get(inside, FOLLOW, "out", &stat));
  R(__wasi_path_readlink(inside, "out", buffer, sizeof buffer, &used));
  R(__wasi_path_rename(inside, "out", inside, "sub/out"));
  R(__wasi_path_unlink_file(inside, "sub/out"));
  R(__wasi_path_filestat_get(TOP, 0, "secret", &stat));
  printf("untouched: %d\n", stat.size == 7);
  return 0;
}
