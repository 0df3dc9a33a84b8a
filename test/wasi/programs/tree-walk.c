/* Makes a tree, walks it, adds it up, moves it and removes it. */
#include "twin.h"

static long long bytes;
static int files, dirs, links;

static void make(const char *path, int depth) {
  char inner[256];
  mkdir(path, 0777);
  for (int i = 0; i < 3; i++) {
    snprintf(inner, sizeof inner, "%s/f%d", path, i);
    FILE *file = fopen(inner, "w");
    for (int n = 0; n < depth * 100 + i; n++) putc('x', file);
    fclose(file);
  }
  snprintf(inner, sizeof inner, "%s/link", path);
  symlink("f1", inner);
  for (int i = 0; depth > 0 && i < 2; i++) {
    snprintf(inner, sizeof inner, "%s/d%d", path, i);
    make(inner, depth - 1);
  }
}

/* Visits in order of names; removes what it leaves if told so. */
static void walk(const char *path, int print, int remove_it) {
  struct dirent **names;
  int count = scandir(path, &names, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char inner[256];
    struct stat s;
    snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
    int is_dot = names[i]->d_name[0] == '.';
    free(names[i]);
    if (is_dot || lstat(inner, &s) < 0) continue;
    if (print) printf("%s %s %lld\n", inner, type_name(s.st_mode),
                      S_ISDIR(s.st_mode) ? 0 : (long long)s.st_size);
    if (S_ISDIR(s.st_mode)) {
      dirs++;
      walk(inner, print, remove_it);
    } else {
      bytes += s.st_size;
      files += S_ISREG(s.st_mode);
      links += S_ISLNK(s.st_mode);
      if (remove_it && unlink(inner) < 0) printf("%s: %s\n", inner, errno_name(errno));
    }
  }
  free(names);
  if (remove_it && rmdir(path) < 0) printf("%s: %s\n", path, errno_name(errno));
}

int main(void) {
  make("tree", 3);
  walk("tree", 1, 0);
  printf("%d files, %d dirs, %d links, %lld bytes\n", files, dirs, links, bytes);
  mkdir("elsewhere", 0777);
  T(rename("tree/d1", "elsewhere/branch"));
  T(rename("elsewhere", "elsewhere/branch/d0"));
  bytes = files = dirs = links = 0;
  walk("elsewhere", 0, 0);
  printf("%d files, %d dirs, %d links, %lld bytes\n", files, dirs, links, bytes);
  walk("tree", 0, 1);
  walk("elsewhere", 0, 1);
  list_dir(".");
  return 0;
}
