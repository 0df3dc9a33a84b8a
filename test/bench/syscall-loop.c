// Makes one kind of WASI call over and over and prints how long that took.
//
//   syscall-loop <operation> <count>      prints nanoseconds for `count` operations
//
// The calls are made without the C library in between. Descriptor 3 is the root directory; the
// tree is the one that test/bench/tree.ts describes.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

enum { ROOT = 3, FILE_COUNT = 16, BLOCK = 4096, BLOCKS = 16, LISTING = 65536 };

static char paths[FILE_COUNT][24];
static char block[BLOCK];
static uint8_t listing[LISTING];
static __wasi_fd_t data;

static void check(__wasi_errno_t error, const char *what) {
  if (error == __WASI_ERRNO_SUCCESS) return;
  fprintf(stderr, "%s: error %d\n", what, error);
  exit(1);
}

static __wasi_fd_t open_path(const char *path, __wasi_oflags_t flags) {
  __wasi_rights_t rights = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL;
  if (flags != __WASI_OFLAGS_DIRECTORY) rights |= __WASI_RIGHTS_FD_WRITE;
  else rights |= __WASI_RIGHTS_FD_READDIR;
  __wasi_fd_t fd;
  check(__wasi_path_open(ROOT, 0, path, flags, rights, 0, 0, &fd), path);
  return fd;
}

static void nothing(uint32_t count) {
  for (volatile uint32_t i = 0; i < count; i++) {
  }
}

static void run_tell(uint32_t count) {
  __wasi_filesize_t offset;
  for (uint32_t i = 0; i < count; i++) check(__wasi_fd_tell(data, &offset), "fd_tell");
}

static void run_stat(uint32_t count) {
  __wasi_filestat_t stat;
  for (uint32_t i = 0; i < count; i++) {
    check(__wasi_path_filestat_get(ROOT, 1, paths[i % FILE_COUNT], &stat), "path_filestat_get");
  }
}

static void run_missing(uint32_t count) {
  __wasi_filestat_t stat;
  for (uint32_t i = 0; i < count; i++) {
    if (__wasi_path_filestat_get(ROOT, 1, "bench/files/absent", &stat) == 0) exit(1);
  }
}

static void run_open(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    check(__wasi_fd_close(open_path(paths[i % FILE_COUNT], 0)), "fd_close");
  }
}

static void run_read(uint32_t count) {
  __wasi_iovec_t buffer = {(uint8_t *)block, BLOCK};
  __wasi_size_t done;
  for (uint32_t i = 0; i < count; i++) {
    check(__wasi_fd_pread(data, &buffer, 1, (i % BLOCKS) * BLOCK, &done), "fd_pread");
    if (done != BLOCK) exit(1);
  }
}

static void run_write(uint32_t count) {
  __wasi_ciovec_t buffer = {(uint8_t *)block, BLOCK};
  __wasi_size_t done;
  for (uint32_t i = 0; i < count; i++) {
    check(__wasi_fd_pwrite(data, &buffer, 1, (i % BLOCKS) * BLOCK, &done), "fd_pwrite");
    if (done != BLOCK) exit(1);
  }
}

/** Lists the directory; the entries are counted so that a short listing is noticed. */
static void list_all(void) {
  __wasi_fd_t fd = open_path("bench/many", __WASI_OFLAGS_DIRECTORY);
  __wasi_dircookie_t cookie = 0;
  uint32_t entries = 0;
  for (;;) {
    __wasi_size_t used;
    check(__wasi_fd_readdir(fd, listing, LISTING, cookie, &used), "fd_readdir");
    for (uint32_t at = 0; at + sizeof(__wasi_dirent_t) <= used;) {
      __wasi_dirent_t entry;
      memcpy(&entry, listing + at, sizeof entry);
      at += sizeof entry + entry.d_namlen;
      if (at > used) break;
      cookie = entry.d_next;
      entries++;
    }
    if (used < LISTING) break;
  }
  if (entries < 1000) {
    fprintf(stderr, "only %u entries\n", entries);
    exit(1);
  }
  check(__wasi_fd_close(fd), "fd_close");
}

static void run_readdir(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) list_all();
}

static void run_create(uint32_t count) {
  const __wasi_oflags_t flags = __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL;
  for (uint32_t i = 0; i < count; i++) {
    check(__wasi_fd_close(open_path("bench/files/new", flags)), "fd_close");
    check(__wasi_path_unlink_file(ROOT, "bench/files/new"), "path_unlink_file");
  }
}

static void run_rename(uint32_t count) {
  const char *names[2] = {"bench/files/here", "bench/files/there"};
  // An even number: the file is where it was.
  for (uint32_t i = 0; i < (count + 1) / 2 * 2; i++) {
    check(__wasi_path_rename(ROOT, names[i % 2], ROOT, names[1 - i % 2]), "path_rename");
  }
}

static const struct {
  const char *name;
  void (*run)(uint32_t count);
} operations[] = {
    {"nothing", nothing},     {"tell", run_tell},       {"stat", run_stat},
    {"missing", run_missing}, {"open", run_open},       {"read", run_read},
    {"write", run_write},     {"readdir", run_readdir}, {"create", run_create},
    {"rename", run_rename},
};

static __wasi_timestamp_t now(void) {
  __wasi_timestamp_t time;
  check(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &time), "clock_time_get");
  return time;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
  for (int i = 0; i < FILE_COUNT; i++) snprintf(paths[i], sizeof paths[i], "bench/files/f%02d", i);
  data = open_path("bench/data", 0);
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    if (strcmp(argv[1], operations[i].name) != 0) continue;
    // The engine compiles what is called often, and threads have to find each other.
    operations[i].run(count / 4 + 1);
    const __wasi_timestamp_t start = now();
    operations[i].run(count);
    printf("%llu\n", (unsigned long long)(now() - start));
    return 0;
  }
  return 2;
}
