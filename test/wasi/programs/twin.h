/*
 * Helpers of the twin programs: the same C runs on Linux and as WebAssembly and must print the
 * same. So everything is printed by name (errno, file type) or as a relation, never as a number
 * that belongs to one system (inode, time, address). What wasi-libc itself does otherwise than
 * Linux is left out: it takes "" for "." before the kernel sees it, and F_GETFD is always 1.
 */
#ifndef TWIN_H
#define TWIN_H

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline const char *errno_name(int number) {
  static const struct {
    int number;
    const char *name;
  } table[] = {
#define NAME(e) {e, #e}
      NAME(EACCES), NAME(EBADF),  NAME(EBUSY),     NAME(EEXIST),       NAME(EFBIG),
      NAME(EINVAL), NAME(EIO),    NAME(EISDIR),    NAME(ELOOP),        NAME(EMFILE),
      NAME(EMLINK), NAME(ENOENT), NAME(ENOSPC),    NAME(ENAMETOOLONG), NAME(ENOSYS),
      NAME(ENOTDIR), NAME(ENOTEMPTY), NAME(ENOTSUP), NAME(ENOTTY),     NAME(EOVERFLOW),
      NAME(EPERM),  NAME(EPIPE),  NAME(EROFS),     NAME(ESPIPE),       NAME(EXDEV),
      NAME(EFAULT), NAME(ENXIO),  NAME(ETXTBSY),   NAME(ERANGE),       NAME(EAGAIN),
      NAME(EDEADLK),
#ifdef ENOTCAPABLE
      NAME(ENOTCAPABLE),
#endif
#undef NAME
  };
  static char other[32];
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].number == number) return table[i].name;
  }
  snprintf(other, sizeof other, "errno %d", number);
  return other;
}

static inline void show_result(const char *what, long long result) {
  if (result < 0) {
    printf("%s: %s\n", what, errno_name(errno));
  } else {
    printf("%s: %lld\n", what, result);
  }
}

/* Evaluates a call and prints its source text with its result, or the errno it failed with. */
#define T(call) show_result(#call, (long long)(call))

/* As T, for calls whose result is a descriptor: prints "open" and not the number. */
#define TFD(variable, call)                                                     \
  do {                                                                          \
    variable = (call);                                                          \
    printf("%s: %s\n", #call, variable < 0 ? errno_name(errno) : "open");       \
  } while (0)

static inline void put_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    printf("cannot write %s: %s\n", path, errno_name(errno));
    exit(99);
  }
}

/* Prints a file's bytes, those that don't print as \ooo; long runs of zeros by their length. */
static inline void cat_file(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    printf("%s: %s\n", path, errno_name(errno));
    return;
  }
  printf("%s = \"", path);
  long zeros = 0;
  for (int byte; (byte = getc(file)) != EOF;) {
    if (byte == 0) {
      zeros++;
      continue;
    }
    if (zeros > 0) printf("<%ld zeros>", zeros);
    zeros = 0;
    if (byte >= 0x20 && byte < 0x7f) {
      putchar(byte);
    } else {
      printf("\\%03o", (unsigned)byte);
    }
  }
  if (zeros > 0) printf("<%ld zeros>", zeros);
  printf("\"\n");
  fclose(file);
}

static inline const char *type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "dir";
  if (S_ISLNK(mode)) return "link";
  if (S_ISCHR(mode)) return "char";
  return "other";
}

static inline int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Prints the names in a directory, sorted, with a mark for directories and symbolic links. */
static inline void list_dir(const char *path) {
  DIR *dir = opendir(path);
  if (dir == NULL) {
    printf("%s: %s\n", path, errno_name(errno));
    return;
  }
  char *names[4096];
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL && count < 4096;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    names[count++] = strdup(entry->d_name);
  }
  closedir(dir);
  qsort(names, count, sizeof names[0], by_name);
  printf("%s:", path);
  for (size_t i = 0; i < count; i++) {
    char full[512];
    struct stat status;
    snprintf(full, sizeof full, "%s/%s", path, names[i]);
    const char *mark = "?";
    if (lstat(full, &status) == 0) {
      mark = S_ISDIR(status.st_mode) ? "/" : S_ISLNK(status.st_mode) ? "@" : "";
    }
    printf(" %s%s", names[i], mark);
    free(names[i]);
  }
  printf("\n");
}

static inline long long size_of(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? (long long)status.st_size : -1;
}

#endif
