/*
 * inotifywait [-mrq] [-t SECONDS] [-e EVENT]... PATH...
 *
 * Waits for the first event on any of the paths, or with -m tells of all of them until it is
 * killed: the watched path, the events, and the name of the entry they are about. With -r whole
 * trees are watched, directories that are made later included. Exits with 0 after an event, with
 * 2 when the time is up.
 */
#include "burrow.h"
#include <dirent.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
  const char *name;
  uint32_t mask;
} events[] = {
    {"ACCESS", IN_ACCESS},         {"MODIFY", IN_MODIFY},
    {"ATTRIB", IN_ATTRIB},         {"CLOSE_WRITE", IN_CLOSE_WRITE},
    {"CLOSE_NOWRITE", IN_CLOSE_NOWRITE}, {"CLOSE", IN_CLOSE},
    {"OPEN", IN_OPEN},             {"MOVED_FROM", IN_MOVED_FROM},
    {"MOVED_TO", IN_MOVED_TO},     {"MOVE", IN_MOVE},
    {"MOVE_SELF", IN_MOVE_SELF},   {"CREATE", IN_CREATE},
    {"DELETE", IN_DELETE},         {"DELETE_SELF", IN_DELETE_SELF},
    {"UNMOUNT", IN_UNMOUNT},       {"Q_OVERFLOW", IN_Q_OVERFLOW},
    {"IGNORED", IN_IGNORED},       {"ISDIR", IN_ISDIR},
};
#define EVENT_COUNT (sizeof events / sizeof events[0])

/* The path of each watch, by its descriptor. */
static char **watches;
static int watch_count;
static uint32_t mask;
static int recursive, quiet;

static int is_event(const char *text, const char *name) {
  for (; *text && *name; text++, name++) {
    char upper = *text >= 'a' && *text <= 'z' ? *text - 32 : *text;
    if (upper != *name) return 0;
  }
  return *text == *name;
}

static uint32_t parse_event(const char *text) {
  for (size_t i = 0; i < EVENT_COUNT; i++) {
    if (is_event(text, events[i].name)) return events[i].mask;
  }
  fprintf(stderr, "inotifywait: '%s' is not an event. They are:", text);
  for (size_t i = 0; i < EVENT_COUNT; i++) fprintf(stderr, " %s", events[i].name);
  fprintf(stderr, "\n");
  exit(1);
}

static char *joined(const char *dir, const char *name) {
  size_t length = strlen(dir);
  const char *slash = length > 0 && dir[length - 1] == '/' ? "" : "/";
  char *path = malloc(length + strlen(name) + 2);
  sprintf(path, "%s%s%s", dir, slash, name);
  return path;
}

/* A directory in a tree needs to be told of, whatever was asked for. */
static int watch(int fd, const char *path, int is_root) {
  uint32_t wanted = mask | (recursive ? IN_CREATE | IN_MOVED_TO : 0) | (is_root ? 0 : IN_ONLYDIR);
  int wd = inotify_add_watch(fd, path, wanted);
  if (wd < 0) {
    if (is_root) fprintf(stderr, "inotifywait: %s: %s\n", path, strerror(errno));
    return -1;
  }
  if (wd >= watch_count) {
    watches = realloc(watches, (wd + 1) * sizeof *watches);
    for (; watch_count <= wd; watch_count++) watches[watch_count] = NULL;
  }
  free(watches[wd]);
  watches[wd] = strdup(path);
  DIR *dir = recursive ? opendir(path) : NULL;
  if (dir == NULL) return wd;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (entry->d_type != DT_DIR) continue;
    char *child = joined(path, entry->d_name);
    watch(fd, child, 0);
    free(child);
  }
  closedir(dir);
  return wd;
}

static int show(int fd, const struct inotify_event *event) {
  const char *path = event->wd > 0 && event->wd < watch_count ? watches[event->wd] : "";
  uint32_t is_dir = event->mask & IN_ISDIR;
  if (recursive && is_dir && event->mask & (IN_CREATE | IN_MOVED_TO)) {
    char *child = joined(path, event->name);
    watch(fd, child, 0);
    free(child);
  }
  if ((event->mask & (mask | IN_UNMOUNT | IN_Q_OVERFLOW)) == 0) return 0;
  printf("%s%s ", path ? path : "", event->len > 0 ? "/" : "");
  const char *separator = "";
  for (size_t i = 0; i < EVENT_COUNT; i++) {
    int is_single = (events[i].mask & (events[i].mask - 1)) == 0;
    if (!is_single || (event->mask & events[i].mask) == 0) continue;
    printf("%s%s", separator, events[i].name);
    separator = ",";
  }
  if (event->len > 0) printf(" %s", event->name);
  printf("\n");
  fflush(stdout);
  return 1;
}

static int usage(void) {
  fprintf(stderr, "usage: inotifywait [-mrq] [-t SECONDS] [-e EVENT]... PATH...\n");
  return 1;
}

int main(int argc, char **argv) {
  int monitor = 0, option;
  int timeout = -1;
  while ((option = getopt(argc, argv, "mrqt:e:")) != -1) {
    switch (option) {
      case 'm': monitor = 1; break;
      case 'r': recursive = 1; break;
      case 'q': quiet = 1; break;
      case 't': timeout = atoi(optarg) * 1000; break;
      case 'e': mask |= parse_event(optarg); break;
      default: return usage();
    }
  }
  if (optind == argc) return usage();
  if (mask == 0) mask = IN_ALL_EVENTS;
  int fd = inotify_init1(0);
  if (fd < 0) {
    fprintf(stderr, "inotifywait: %s\n", strerror(errno));
    return 1;
  }
  for (int i = optind; i < argc; i++) {
    if (watch(fd, argv[i], 1) < 0) return 1;
  }
  if (!quiet) fprintf(stderr, "Watches established.\n");
  for (;;) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    if (timeout >= 0 && poll(&poller, 1, timeout) == 0) return 2;
    static char buffer[65536];
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0) {
      fprintf(stderr, "inotifywait: %s\n", strerror(errno));
      return 1;
    }
    int shown = 0;
    for (ssize_t at = 0; at < size;) {
      struct inotify_event *event = (struct inotify_event *)(buffer + at);
      at += sizeof *event + event->len;
      shown |= show(fd, event);
      if (shown && !monitor) return 0;
    }
  }
}
