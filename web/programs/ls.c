/*
 * ls [-1AadFhilnRrSt] [FILE...]
 *
 * Lists folders. Long lines have no owner and group: preview1 doesn't say whose a file is.
 */
#include "mode.h"
#include <time.h>

struct entry {
  char *name;
  char *path;
  struct stat status;
  uint32_t mode;
  char *target; /* Of a symbolic link, in long lines. */
};

static char option[128];
static int terminal_width = 0;

static int order(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  int by = 0;
  if (option['t']) {
    by = (x->status.st_mtim.tv_sec < y->status.st_mtim.tv_sec) -
         (x->status.st_mtim.tv_sec > y->status.st_mtim.tv_sec);
    if (by == 0) {
      by = (x->status.st_mtim.tv_nsec < y->status.st_mtim.tv_nsec) -
           (x->status.st_mtim.tv_nsec > y->status.st_mtim.tv_nsec);
    }
  } else if (option['S']) {
    by = (x->status.st_size < y->status.st_size) - (x->status.st_size > y->status.st_size);
  }
  if (by == 0) by = strcmp(x->name, y->name);
  return option['r'] ? -by : by;
}

static int is_dir(const struct entry *entry) { return S_ISDIR(entry->status.st_mode); }

/* On a terminal, what a name could make it do is shown as '?'. */
static char *shown(const char *name) {
  char *copy = strdup(name);
  if (copy == NULL) abort();
  for (char *c = copy; terminal_width > 0 && *c != '\0'; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  }
  return copy;
}

/* Answers 0 if the file isn't there. */
static int look(struct entry *entry, const char *name, char *path, int follow) {
  memset(entry, 0, sizeof *entry);
  entry->name = shown(name);
  entry->path = path;
  if (lstat(path, &entry->status) < 0) return 0;
  if (follow && S_ISLNK(entry->status.st_mode)) {
    struct stat target;
    if (stat(path, &target) == 0 && S_ISDIR(target.st_mode)) entry->status = target;
  }
  entry->mode = mode_of(path, is_dir(entry));
  if (S_ISLNK(entry->status.st_mode)) {
    char target[4096];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length >= 0) {
      target[length] = '\0';
      entry->target = shown(target);
    }
  }
  return 1;
}

static const char *mark(const struct entry *entry) {
  if (!option['F']) return "";
  if (is_dir(entry)) return "/";
  if (S_ISLNK(entry->status.st_mode)) return "@";
  return entry->mode & 0111 ? "*" : "";
}

static void size_text(long long size, char text[24]) {
  if (!option['h'] || size < 1024) {
    snprintf(text, 24, "%lld", size);
    return;
  }
  double value = (double)size;
  const char *unit = "BKMGTPE";
  for (; value >= 1024 && unit[1] != '\0'; unit++) value /= 1024;
  snprintf(text, 24, value < 10 ? "%.1f%c" : "%.0f%c", value, *unit);
}

static void time_text(const struct entry *entry, char text[32]) {
  time_t changed = entry->status.st_mtim.tv_sec, now = time(NULL);
  struct tm fields;
  localtime_r(&changed, &fields);
  int is_recent = changed <= now && now - changed < 182 * 86400;
  strftime(text, 32, is_recent ? "%b %e %H:%M" : "%b %e  %Y", &fields);
}

static int width_of(long long number) { return snprintf(NULL, 0, "%lld", number); }

static void print_long(const struct entry *entries, size_t count) {
  int link_width = 1, size_width = 1, ino_width = 1;
  for (size_t i = 0; i < count; i++) {
    char size[24];
    size_text(entries[i].status.st_size, size);
    int links = width_of((long long)entries[i].status.st_nlink);
    int ino = width_of((long long)entries[i].status.st_ino);
    if (links > link_width) link_width = links;
    if (ino > ino_width) ino_width = ino;
    if ((int)strlen(size) > size_width) size_width = (int)strlen(size);
  }
  for (size_t i = 0; i < count; i++) {
    const struct entry *entry = &entries[i];
    char mode[11], size[24], when[32];
    mode_text(entry->mode, mode);
    size_text(entry->status.st_size, size);
    time_text(entry, when);
    if (option['i']) printf("%*llu ", ino_width, (unsigned long long)entry->status.st_ino);
    printf("%s %*llu %*s %s %s%s", mode, link_width, (unsigned long long)entry->status.st_nlink,
           size_width, size, when, entry->name, mark(entry));
    if (entry->target != NULL) printf(" -> %s", entry->target);
    putchar('\n');
  }
}

/* In columns as wide as the widest name, filled downwards. */
static void print_columns(const struct entry *entries, size_t count) {
  size_t widest = 1;
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(entries[i].name) + strlen(mark(&entries[i]));
    if (length > widest) widest = length;
  }
  size_t columns = (size_t)terminal_width / (widest + 2);
  if (columns == 0) columns = 1;
  size_t rows = (count + columns - 1) / columns;
  for (size_t row = 0; row < rows; row++) {
    for (size_t i = row; i < count; i += rows) {
      int length = printf("%s%s", entries[i].name, mark(&entries[i]));
      if (i + rows < count) printf("%*s", (int)(widest + 2) - length, "");
    }
    putchar('\n');
  }
}

static void print_entries(struct entry *entries, size_t count) {
  qsort(entries, count, sizeof *entries, order);
  if (option['l']) {
    print_long(entries, count);
  } else if (terminal_width > 0 && !option['1'] && !option['i']) {
    print_columns(entries, count);
  } else {
    for (size_t i = 0; i < count; i++) {
      if (option['i']) printf("%llu ", (unsigned long long)entries[i].status.st_ino);
      printf("%s%s\n", entries[i].name, mark(&entries[i]));
    }
  }
}

static void list(const char *path, int with_title) {
  char **names = names_in(path);
  if (names == NULL) {
    complain("ls", path);
    return;
  }
  size_t count = 0, room = 2;
  for (char **name = names; *name != NULL; name++) room++;
  struct entry *entries = calloc(room, sizeof *entries);
  if (entries == NULL) abort();
  if (option['a']) {
    count += (size_t)look(&entries[count], ".", join_path(path, "."), 0);
    count += (size_t)look(&entries[count], "..", join_path(path, ".."), 0);
  }
  for (char **name = names; *name != NULL; name++) {
    if (**name == '.' && !option['a'] && !option['A']) continue;
    char *full = join_path(path, *name);
    if (look(&entries[count], *name, full, 0)) {
      count++;
    } else {
      complain("ls", full);
    }
  }
  if (with_title) printf("%s:\n", path);
  print_entries(entries, count);
  for (size_t i = 0; option['R'] && i < count; i++) {
    if (!is_dir(&entries[i])) continue;
    if (strcmp(entries[i].name, ".") == 0 || strcmp(entries[i].name, "..") == 0) continue;
    putchar('\n');
    list(entries[i].path, 1);
  }
}

/* Takes the options out of argv, wherever they are. Returns how many names are left. */
static int parse_options(int argc, char **argv) {
  int count = 0, is_over = 0;
  for (int i = 1; i < argc; i++) {
    if (is_over || argv[i][0] != '-' || argv[i][1] == '\0') {
      argv[1 + count++] = argv[i];
      continue;
    }
    if (strcmp(argv[i], "--") == 0) {
      is_over = 1;
      continue;
    }
    for (const char *letter = argv[i] + 1; *letter != '\0'; letter++) {
      if (strchr("1AadFhilnRrSt", *letter) == NULL) {
        fprintf(stderr, "ls: unknown option -- %c\n", *letter);
        fputs("usage: ls [-1AadFhilnRrSt] [FILE...]\n", stderr);
        exit(2);
      }
      option[(int)*letter] = 1;
    }
  }
  if (option['n']) option['l'] = 1;
  return count;
}

int main(int argc, char **argv) {
  int count = parse_options(argc, argv);
  if (isatty(1)) {
    const char *columns = getenv("COLUMNS");
    terminal_width = columns != NULL && atoi(columns) > 0 ? atoi(columns) : 80;
  }
  static char *here[] = {"."};
  char **paths = count > 0 ? argv + 1 : here;
  if (count == 0) count = 1;

  /* Files first, in one listing, then each folder. */
  struct entry *files = calloc((size_t)count, sizeof *files);
  struct entry *dirs = calloc((size_t)count, sizeof *dirs);
  if (files == NULL || dirs == NULL) abort();
  size_t file_count = 0, dir_count = 0;
  for (int i = 0; i < count; i++) {
    struct entry entry;
    if (!look(&entry, paths[i], paths[i], !option['d'] && !option['l'])) {
      complain("ls", paths[i]);
    } else if (is_dir(&entry) && !option['d']) {
      dirs[dir_count++] = entry;
    } else {
      files[file_count++] = entry;
    }
  }
  print_entries(files, file_count);
  qsort(dirs, dir_count, sizeof *dirs, order);
  for (size_t i = 0; i < dir_count; i++) {
    if (i > 0 || file_count > 0) putchar('\n');
    list(dirs[i].path, count > 1 || option['R']);
  }
  return failed ? 2 : 0;
}
