/*
 * What preview1 doesn't know of a file: its mode, through the module host_fs.
 */
#ifndef MODE_H
#define MODE_H

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((import_module("host_fs"), import_name("path_mode"))) uint32_t
host_path_mode(const char *path, size_t length, int follow);
__attribute__((import_module("host_fs"), import_name("chmod"))) int
host_chmod(const char *path, size_t length, uint32_t mode);

/* st_mode with its permission bits, or 0. */
static inline uint32_t mode_of(const char *path, int follow) {
  return host_path_mode(path, strlen(path), follow);
}

/* "-rw-r--r--" */
static inline void mode_text(uint32_t mode, char text[11]) {
  uint32_t type = mode & 0170000;
  text[0] = type == 0040000   ? 'd'
            : type == 0120000 ? 'l'
            : type == 0020000 ? 'c'
            : type == 0060000 ? 'b'
            : type == 0010000 ? 'p'
            : type == 0140000 ? 's'
                              : '-';
  for (int i = 0; i < 9; i++) text[1 + i] = mode & (0400u >> i) ? "rwx"[i % 3] : '-';
  if (mode & 04000) text[3] = mode & 0100 ? 's' : 'S';
  if (mode & 02000) text[6] = mode & 0010 ? 's' : 'S';
  if (mode & 01000) text[9] = mode & 0001 ? 't' : 'T';
  text[10] = '\0';
}

static int failed;

/* Reports the errno of an operation on a path, and goes on. */
static inline void complain(const char *program, const char *path) {
  fflush(stdout);
  fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
  failed = 1;
}

static inline char *join_path(const char *dir, const char *name) {
  size_t length = strlen(dir) + strlen(name) + 2;
  char *path = malloc(length);
  if (path == NULL) abort();
  const char *slash = dir[0] != '\0' && dir[strlen(dir) - 1] == '/' ? "" : "/";
  snprintf(path, length, "%s%s%s", dir, slash, name);
  return path;
}

/* The names in a directory without "." and "..", sorted; NULL after the last. NULL on failure. */
static inline int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char **names_in(const char *path) {
  DIR *dir = opendir(path);
  if (dir == NULL) return NULL;
  size_t count = 0, room = 64;
  char **names = malloc(room * sizeof *names);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (count + 1 == room) names = realloc(names, (room *= 2) * sizeof *names);
    if (names == NULL) abort();
    names[count++] = strdup(entry->d_name);
  }
  closedir(dir);
  if (names == NULL) abort();
  qsort(names, count, sizeof *names, compare_names);
  names[count] = NULL;
  return names;
}

#endif
