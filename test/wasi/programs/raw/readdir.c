/* fd_readdir: cookies, names cut off at the end of the buffer, and what isn't a directory. */
#include "raw.h"

static uint8_t buffer[4096];
static char names[16][16];

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* Reads the whole directory with buffers of `size`, continuing at cookies; answers the count. */
static int read_all(__wasi_fd_t dir, __wasi_size_t size) {
  int count = 0;
  __wasi_dircookie_t cookie = 0;
  for (;;) {
    __wasi_size_t used = 0;
    __wasi_errno_t error = __wasi_fd_readdir(dir, buffer, size, cookie, &used);
    if (error != 0) {
      printf("readdir: %s\n", errno_text(error));
      return -1;
    }
    int whole = 0;
    for (__wasi_size_t at = 0; at + sizeof(__wasi_dirent_t) <= used;) {
      __wasi_dirent_t entry;
      memcpy(&entry, buffer + at, sizeof entry);
      if (at + sizeof entry + entry.d_namlen > used) break;
      snprintf(names[count++], 16, "%.*s", (int)entry.d_namlen,
               (const char *)buffer + at + sizeof entry);
      cookie = entry.d_next;
      at += sizeof entry + entry.d_namlen;
      whole++;
    }
    /* Less than the buffer means the end; all of it means that there may be more. */
    if (used < size) break;
    if (whole == 0) {
      printf("no progress with %u bytes\n", (unsigned)size);
      return -1;
    }
  }
  qsort(names, (size_t)count, sizeof names[0], by_name);
  printf("by %u bytes:", (unsigned)size);
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  printf("\n");
  return count;
}

int main(void) {
  __wasi_path_create_directory(TOP, "d");
  __wasi_path_create_directory(TOP, "d/bb");
  put_file("d/a", "");
  put_file("d/cccccc", "");
  __wasi_path_symlink("a", TOP, "d/link");
  __wasi_fd_t dir = open_dir(TOP, "d");
  read_all(dir, sizeof buffer);
  read_all(dir, 64);
  read_all(dir, 31);
  read_all(dir, 30);

  __wasi_size_t used = 99;
  R(__wasi_fd_readdir(dir, buffer, 10, 0, &used));
  printf("cut within the header: %u\n", (unsigned)used);
  R(__wasi_fd_readdir(dir, buffer, 25, 0, &used));
  printf("cut after the first byte of a name, or a name of one: %d\n", used == 25);
  R(__wasi_fd_readdir(dir, buffer, 0, 0, &used));
  printf("no buffer: %u\n", (unsigned)used);

  /* Types and inodes agree with filestat. */
  R(__wasi_fd_readdir(dir, buffer, sizeof buffer, 0, &used));
  __wasi_dircookie_t last = 0;
  int agree = 0, count = 0;
  for (__wasi_size_t at = 0; at < used; count++) {
    __wasi_dirent_t entry;
    __wasi_filestat_t stat;
    char name[16];
    memcpy(&entry, buffer + at, sizeof entry);
    snprintf(name, sizeof name, "%.*s", (int)entry.d_namlen, (char *)buffer + at + sizeof entry);
    at += sizeof entry + entry.d_namlen;
    last = entry.d_next;
    if (strcmp(name, "..") == 0) {
      agree += entry.d_type == __WASI_FILETYPE_DIRECTORY;
    } else if (__wasi_path_filestat_get(dir, 0, name, &stat) == 0) {
      agree += stat.ino == entry.d_ino && stat.filetype == entry.d_type;
    }
  }
  printf("%d of %d agree with filestat\n", agree, count);
  R(__wasi_fd_readdir(dir, buffer, sizeof buffer, last, &used));
  printf("after the last: %u\n", (unsigned)used);

  __wasi_fd_t file = open_at(TOP, "d/a", 0, READ);
  R(__wasi_fd_readdir(file, buffer, sizeof buffer, 0, &used));
  R(__wasi_fd_readdir(BAD_FD, buffer, sizeof buffer, 0, &used));
  return 0;
}
