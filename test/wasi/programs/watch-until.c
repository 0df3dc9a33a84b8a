/*
 * Prints what happens in a directory that others change, as it happens, until "end" is removed
 * from it. The argument is the directory.
 */
#include "burrow.h"
#include "twin.h"

#define CHANGES                                                                         \
  (IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | \
   IN_MOVED_TO)

static const struct {
  uint32_t bit;
  const char *name;
} names[] = {
    {IN_MODIFY, "MODIFY"},         {IN_ATTRIB, "ATTRIB"},     {IN_CLOSE_WRITE, "CLOSE_WRITE"},
    {IN_MOVED_FROM, "MOVED_FROM"}, {IN_MOVED_TO, "MOVED_TO"}, {IN_CREATE, "CREATE"},
    {IN_DELETE, "DELETE"},         {IN_ISDIR, "ISDIR"},       {IN_Q_OVERFLOW, "Q_OVERFLOW"},
};

/* Whether it is the last one. */
static int show(const struct inotify_event *event, uint32_t cookie) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (event->mask & names[i].bit) printf("%s ", names[i].name);
  }
  printf("%s", event->len ? event->name : "");
  /* A cookie is any number: it is told whether both ends have the same one. */
  if (event->mask & IN_MOVED_TO) printf(event->cookie == cookie ? " moved" : " from elsewhere");
  printf("\n");
  return (event->mask & IN_DELETE) && event->len && strcmp(event->name, "end") == 0;
}

int main(int argc, char **argv) {
  static char buffer[65536];
  uint32_t cookie = 0;
  int fd;
  if (argc != 2) return 2;
  TFD(fd, inotify_init1(0));
  T(inotify_add_watch(fd, argv[1], CHANGES));
  for (;;) {
    fflush(stdout);
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0) {
      printf("read: %s\n", errno_name(errno));
      return 1;
    }
    for (ssize_t at = 0; at < size;) {
      struct inotify_event *event = (struct inotify_event *)(buffer + at);
      if (show(event, cookie)) return 0;
      if (event->mask & IN_MOVED_FROM) cookie = event->cookie;
      at += sizeof *event + event->len;
    }
  }
}
