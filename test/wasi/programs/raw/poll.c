/* poll_oneoff with several clocks and descriptors at once. */
#include "raw.h"

#define MS 1000000ULL

static __wasi_subscription_t clock_in(__wasi_userdata_t userdata, __wasi_timestamp_t timeout) {
  __wasi_subscription_t s;
  memset(&s, 0, sizeof s);
  s.userdata = userdata;
  s.u.tag = __WASI_EVENTTYPE_CLOCK;
  s.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
  s.u.u.clock.timeout = timeout;
  return s;
}

static __wasi_subscription_t on_fd(__wasi_userdata_t userdata, __wasi_eventtype_t type,
                                   __wasi_fd_t fd) {
  __wasi_subscription_t s;
  memset(&s, 0, sizeof s);
  s.userdata = userdata;
  s.u.tag = type;
  s.u.u.fd_read.file_descriptor = fd;
  return s;
}

static void run(const char *label, const __wasi_subscription_t *subscriptions, int count) {
  __wasi_event_t events[4];
  __wasi_size_t ready = 99;
  memset(events, 0xff, sizeof events);
  __wasi_errno_t error = __wasi_poll_oneoff(subscriptions, events, (__wasi_size_t)count, &ready);
  printf("%s: %s", label, errno_text(error));
  if (error == 0) {
    printf(", %u", (unsigned)ready);
    for (__wasi_size_t i = 0; i < ready; i++) {
      printf(" [%llu %s %s", (unsigned long long)events[i].userdata, errno_text(events[i].error),
             events[i].type == __WASI_EVENTTYPE_CLOCK     ? "clock"
             : events[i].type == __WASI_EVENTTYPE_FD_READ ? "read"
                                                          : "write");
      if (events[i].type == __WASI_EVENTTYPE_FD_READ && events[i].error == 0) {
        printf(" %llu bytes", (unsigned long long)events[i].fd_readwrite.nbytes);
      }
      printf("]");
    }
  }
  printf("\n");
}

int main(void) {
  put_file("f", "0123456789");
  __wasi_fd_t fd = open_at(TOP, "f", 0, READ | WRITE);
  __wasi_filesize_t at;
  __wasi_fd_seek(fd, 4, __WASI_WHENCE_SET, &at);
  __wasi_subscription_t both_clocks[] = {clock_in(1, 60000 * MS), clock_in(2, 5 * MS)};
  run("the shorter of two clocks", both_clocks, 2);
  __wasi_subscription_t at_once[] = {clock_in(3, 0), clock_in(4, 60000 * MS)};
  run("no time at all", at_once, 2);
  __wasi_subscription_t file[] = {clock_in(5, 60000 * MS), on_fd(6, __WASI_EVENTTYPE_FD_READ, fd),
                                  on_fd(0xffffffffffffffff, __WASI_EVENTTYPE_FD_WRITE, fd)};
  run("a file before the clock", file, 3);
  __wasi_fd_seek(fd, 0, __WASI_WHENCE_END, &at);
  __wasi_subscription_t at_end[] = {on_fd(7, __WASI_EVENTTYPE_FD_READ, fd)};
  run("at the end", at_end, 1);
  __wasi_subscription_t bad[] = {on_fd(8, __WASI_EVENTTYPE_FD_READ, BAD_FD),
                                 clock_in(9, 60000 * MS)};
  run("a bad descriptor", bad, 2);
  run("nothing", bad, 0);

  __wasi_timestamp_t start, now;
  __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &start);
  __wasi_subscription_t until[] = {clock_in(10, start + 10 * MS)};
  until[0].u.u.clock.flags = __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;
  run("until a time", until, 1);
  __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now);
  printf("which came: %d\n", now >= start + 10 * MS);
  run("until a time in the past", until, 1);
  __wasi_subscription_t wall[] = {clock_in(11, 1)};
  wall[0].u.u.clock.id = __WASI_CLOCKID_REALTIME;
  wall[0].u.u.clock.flags = __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;
  run("until 1970", wall, 1);
  return 0;
}
