/* glob() and fnmatch(): the shell's patterns over a real directory. */
#include "twin.h"
#include <fnmatch.h>
#include <glob.h>

static void show(const char *pattern, int flags) {
  glob_t found;
  int result = glob(pattern, flags, NULL, &found);
  printf("%s:", pattern);
  if (result == GLOB_NOMATCH) {
    printf(" nothing\n");
    return;
  }
  for (size_t i = 0; i < found.gl_pathc; i++) printf(" %s", found.gl_pathv[i]);
  printf("\n");
  globfree(&found);
}

int main(void) {
  mkdir("src", 0777);
  mkdir("src/lib", 0777);
  static const char *files[] = {"a.c",      "b.c",         "b.h",          "c1",     "c2",
                                ".hidden",  "with space",  "src/main.c",   "src/x.h", "src/lib/y.c",
                                "UPPER.C",  "src/.config"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) put_file(files[i], "");
  symlink("src", "link");
  show("*", 0);
  show("*.c", 0);
  show("?.[ch]", 0);
  show("c[0-9]", 0);
  show("[!a-c]*", 0);
  show(".*idden", 0);
  show("src/*", 0);
  show("*/*.c", 0);
  show("*/*/*.c", 0);
  show("link/*.h", 0);
  show("*", GLOB_MARK);
  show("nothing*", 0);
  show("nothing*", GLOB_NOCHECK);
  show("with\\ space", 0);
  T(fnmatch("*.c", "dir/a.c", 0));
  T(fnmatch("*.c", "dir/a.c", FNM_PATHNAME) == FNM_NOMATCH);
  T(fnmatch("*", ".a", FNM_PERIOD) == FNM_NOMATCH);
  return 0;
}
