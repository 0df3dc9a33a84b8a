/* inotify: what happens in a tree, as a program that watches it sees it. */
#include "burrow.h"
#include "twin.h"

static const char *const names[32] = {
    [0] = "ACCESS",      [1] = "MODIFY",     [2] = "ATTRIB",  [3] = "CLOSE_WRITE",
    [4] = "CLOSE_NOWRITE", [5] = "OPEN",     [6] = "MOVED_FROM", [7] = "MOVED_TO",
    [8] = "CREATE",      [9] = "DELETE",     [10] = "DELETE_SELF", [11] = "MOVE_SELF",
    [13] = "UNMOUNT",    [14] = "Q_OVERFLOW", [15] = "IGNORED", [30] = "ISDIR",
};

static uint32_t cookies[16];
static int cookie_count;

/* Cookies are numbers of the system: they are told by which came first. */
static int cookie_number(uint32_t cookie) {
  if (cookie == 0) return 0;
  for (int i = 0; i < cookie_count; i++) {
    if (cookies[i] == cookie) return i + 1;
  }
  cookies[cookie_count++] = cookie;
  return cookie_count;
}

static void show_events(int fd, const char *after) {
  char buffer[65536];
  printf("after %s:\n", after);
  for (;;) {
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0) {
      if (errno != EAGAIN) printf("  read: %s\n", errno_name(errno));
      return;
    }
    for (ssize_t at = 0; at < size;) {
      struct inotify_event *event = (struct inotify_event *)(buffer + at);
      printf("  %d", event->wd);
      for (int bit = 0; bit < 32; bit++) {
        if (event->mask & (1u << bit)) printf(" %s", names[bit] ? names[bit] : "?");
      }
      if (event->cookie) printf(" cookie %d", cookie_number(event->cookie));
      if (event->len) printf(" %s", event->name);
      printf("\n");
      at += sizeof *event + event->len;
    }
  }
}

int main(void) {
  int fd, file;
  T(mkdir("tree", 0755));
  T(mkdir("tree/sub", 0755));
  put_file("tree/file", "text");
  TFD(fd, inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  T(inotify_add_watch(fd, "tree", IN_ALL_EVENTS));
  T(inotify_add_watch(fd, "tree/sub", IN_ALL_EVENTS));
  T(inotify_add_watch(fd, "tree/file", IN_ALL_EVENTS));
  T(inotify_add_watch(fd, "tree/file", IN_ONLYDIR | IN_OPEN));
  T(inotify_add_watch(fd, "missing", IN_ALL_EVENTS));
  T(inotify_add_watch(fd, "tree", 0));
  TFD(file, open("tree/sub/new", O_RDWR | O_CREAT, 0600));
  T(write(file, "abc", 3));
  T(ftruncate(file, 1));
  T(close(file));
  show_events(fd, "a file was made");
  T(rename("tree/sub/new", "tree/moved"));
  T(rename("tree/moved", "tree/file"));
  show_events(fd, "two renames");
  T(chmod("tree/file", 0644));
  T(link("tree/file", "tree/sub/link"));
  T(symlink("file", "tree/symlink"));
  show_events(fd, "chmod and links");
  T(unlink("tree/file"));
  T(rmdir("tree/sub"));
  T(unlink("tree/sub/link"));
  T(rmdir("tree/sub"));
  show_events(fd, "removals");
  T(inotify_rm_watch(fd, 1));
  T(inotify_rm_watch(fd, 1));
  show_events(fd, "the watch was removed");
  T(inotify_add_watch(fd, "tree", IN_CREATE | IN_ONESHOT));
  T(mkfifo("tree/fifo", 0600));
  T(mkdir("tree/again", 0700));
  show_events(fd, "a one-shot watch");
  T(burrow_fionread(fd));
  T(close(fd));
  return 0;
}
