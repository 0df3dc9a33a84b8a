/* Every operation on every kind of path: a table of what comes of it. */
#include "twin.h"

static char long_name[300];

struct path {
  const char *label;
  const char *text;
};

static const struct path paths[] = {
    {"file", "f"},          {"dir", "d"},           {"full dir", "full"},
    {"missing", "m"},       {"in missing", "m/x"},  {"in file", "f/x"},
    {"file/", "f/"},        {"dir/", "d/"},         {"missing/", "m/"},
    {"link to file", "lf"}, {"link to dir", "ld"},  {"link to file/", "lf/"},
    {"link to dir/", "ld/"}, {"dangling", "ln"},    {"dangling/", "ln/"},
    {"loop", "loop"},       {"in loop", "loop/x"},
    {"dot", "."},           {"dir/.", "d/."},       {"long", long_name},
};

static int open_and_close(const char *path, int flags) {
  int fd = open(path, flags, 0666);
  return fd < 0 ? -1 : close(fd);
}

static int op_read(const char *p) { return open_and_close(p, O_RDONLY); }
static int op_write(const char *p) { return open_and_close(p, O_WRONLY); }
static int op_creat(const char *p) { return open_and_close(p, O_WRONLY | O_CREAT); }
static int op_excl(const char *p) { return open_and_close(p, O_WRONLY | O_CREAT | O_EXCL); }
static int op_nofollow(const char *p) { return open_and_close(p, O_RDONLY | O_NOFOLLOW); }
static int op_directory(const char *p) { return open_and_close(p, O_RDONLY | O_DIRECTORY); }
static int op_mkdir(const char *p) { return mkdir(p, 0777); }
static int op_symlink(const char *p) { return symlink("target", p); }
static int op_link_from(const char *p) { return link(p, "fresh"); }
static int op_link_to(const char *p) { return link("other", p); }
static int op_rename_from(const char *p) { return rename(p, "fresh"); }
static int op_rename_to(const char *p) { return rename("other", p); }
static int op_rename_dir_to(const char *p) { return rename("spare", p); }
static int op_truncate(const char *p) { return truncate(p, 1); }
static int op_stat(const char *p) {
  struct stat s;
  return stat(p, &s);
}
static int op_lstat(const char *p) {
  struct stat s;
  return lstat(p, &s);
}
static int op_readlink(const char *p) {
  char target[64];
  return readlink(p, target, sizeof target) < 0 ? -1 : 0;
}
static int op_opendir(const char *p) {
  DIR *dir = opendir(p);
  return dir == NULL ? -1 : closedir(dir);
}

static const struct {
  const char *name;
  int (*run)(const char *path);
} operations[] = {
    {"open read", op_read},
    {"open write", op_write},
    {"open creat", op_creat},
    {"open excl", op_excl},
    {"open nofollow", op_nofollow},
    {"open directory", op_directory},
    {"opendir", op_opendir},
    {"stat", op_stat},
    {"lstat", op_lstat},
    {"readlink", op_readlink},
    {"truncate", op_truncate},
    {"mkdir", op_mkdir},
    {"rmdir", rmdir},
    {"unlink", unlink},
    {"symlink", op_symlink},
    {"link from", op_link_from},
    {"link to", op_link_to},
    {"rename from", op_rename_from},
    {"rename to", op_rename_to},
    {"rename dir to", op_rename_dir_to},
};

/* Each cell starts from the same files, in a directory of its own. */
static void make_files(void) {
  put_file("f", "file");
  put_file("other", "other");
  mkdir("d", 0777);
  mkdir("spare", 0777);
  mkdir("full", 0777);
  put_file("full/x", "");
  symlink("f", "lf");
  symlink("d", "ld");
  symlink("nowhere", "ln");
  symlink("loop", "loop");
}

/* Removes all that a cell may have left. */
static void remove_files(void) {
  static const char *names[] = {
      "full/x",  "f/x", "m",     "m/x",     "d/x", "f",    "other", "lf",    "ld",     "ln",
      "nowhere", "loop", "fresh", long_name, "spare/x", "fresh/x", "d", "spare", "full", NULL,
  };
  for (int round = 0; round < 2; round++) {
    for (int i = 0; names[i] != NULL; i++) {
      if (unlink(names[i]) < 0) rmdir(names[i]);
    }
  }
}

int main(void) {
  memset(long_name, 'n', 256);
  for (size_t o = 0; o < sizeof operations / sizeof operations[0]; o++) {
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
      make_files();
      errno = 0;
      int result = operations[o].run(paths[p].text);
      printf("%s on %s: %s\n", operations[o].name, paths[p].label,
             result < 0 ? errno_name(errno) : "ok");
      remove_files();
    }
  }
  list_dir(".");
  memset(long_name, 'n', 255);
  long_name[255] = '\0';
  printf("a name of 255 bytes: %s\n", op_creat(long_name) < 0 ? errno_name(errno) : "ok");
  T(unlink(long_name));
  return 0;
}
