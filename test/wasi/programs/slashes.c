/* Slashes, dots and dot-dots in the middle and at the end of paths. */
#include "twin.h"

static void look(const char *path) {
  struct stat s, l;
  int stat_result = stat(path, &s);
  const char *followed = stat_result < 0 ? errno_name(errno) : type_name(s.st_mode);
  int lstat_result = lstat(path, &l);
  const char *itself = lstat_result < 0 ? errno_name(errno) : type_name(l.st_mode);
  printf("%-16s stat %s, lstat %s\n", path, followed, itself);
}

int main(void) {
  mkdir("d", 0777);
  mkdir("d/e", 0777);
  put_file("f", "f");
  put_file("d/g", "g");
  symlink("d/e", "le");
  symlink("f", "lf");
  symlink("d/e/", "les");
  symlink("f/", "lfs");
  symlink("./d/../f", "ldot");
  static const char *paths[] = {
      "d",       "d/",       "d//",      "d///e",   "d/./e",  "./d",     ".//d/.//e/", "d/e/..",
      "d/e/../", "d/e/../g", "d/e/../../f", "f",    "f/",     "f/.",     "f/..",       "f/../f",
      "d/g/",    "m",        "m/",       "m/..",    "m/../f", "le",      "le/",        "le/..",
      "le/../g", "le/../../f", "lf",     "lf/",     "les",    "les/..",  "lfs",        "ldot",
      ".",       "./",       "././.",    "d/..",    "d/.",    "d/e/.",
  };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) look(paths[i]);

  T(open("f/", O_RDONLY));
  T(open("new/", O_WRONLY | O_CREAT, 0666));
  T(open("f/", O_WRONLY | O_CREAT, 0666));
  T(open("d/", O_WRONLY | O_CREAT, 0666));
  T(mkdir("new/", 0777));
  T(mkdir("new/./", 0777));
  T(mkdir("new/x/.", 0777));
  T(rmdir("new/./"));
  T(rename("new/", "new2/"));
  T(rename("f/", "f2"));
  T(rename("f", "f2/"));
  T(rename("new2", "le/"));
  T(unlink("f/"));
  T(unlink("lf/"));
  T(unlink("le/"));
  T(rmdir("le/"));
  T(link("f", "x/"));
  T(symlink("f", "x/"));
  T(symlink("x", "d/"));
  char target[16];
  T(readlink("le/", target, 16));
  T(readlink("lf/", target, 16));
  list_dir(".");
  list_dir("d");
  return 0;
}
