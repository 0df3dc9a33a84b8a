/* poll(): files are always ready, bad descriptors say so, timeouts pass. */
#include "twin.h"
#include <poll.h>
#include <time.h>

static void show(const char *label, struct pollfd *fds, int count, int result) {
  printf("%s: %d", label, result);
  for (int i = 0; i < count; i++) {
    short events = fds[i].revents;
    printf(" [%s%s%s]", events & POLLIN ? "in" : "", events & POLLOUT ? "out" : "",
           events & POLLNVAL ? "nval" : "");
  }
  printf("\n");
}

int main(void) {
  int file = open("f", O_RDWR | O_CREAT, 0666);
  write(file, "x", 1);
  struct pollfd fds[3] = {{file, POLLIN, 0}, {file, POLLOUT, 0}, {file, POLLIN | POLLOUT, 0}};
  show("a file", fds, 3, poll(fds, 3, 0));
  show("a file, waiting", fds, 3, poll(fds, 3, -1));
  int empty = open("e", O_RDONLY | O_CREAT, 0666);
  struct pollfd at_end[1] = {{empty, POLLIN, 0}};
  show("at the end", at_end, 1, poll(at_end, 1, 1000));

  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  struct pollfd none[1] = {{-1, POLLIN, 0}};
  show("nothing, 30 ms", none, 1, poll(none, 1, 30));
  clock_gettime(CLOCK_MONOTONIC, &after);
  long long passed =
      (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec);
  printf("waited: %d\n", passed >= 30000000LL);
  struct pollfd bad[1] = {{77, POLLIN, 0}};
  show("a bad one", bad, 1, poll(bad, 1, 0));
  return 0;
}
