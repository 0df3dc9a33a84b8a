/* Clocks go forward and sleeping takes at least as long as asked. */
#include "twin.h"
#include <sys/time.h>
#include <time.h>

static long long now(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) < 0) return -1;
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
  long long start = now(CLOCK_MONOTONIC), last = start;
  int backwards = 0;
  for (int i = 0; i < 100000; i++) {
    long long t = now(CLOCK_MONOTONIC);
    backwards += t < last;
    last = t;
  }
  printf("backwards: %d, forward: %d\n", backwards, last > start);

  struct timespec nap = {0, 20000000};
  start = now(CLOCK_MONOTONIC);
  T(nanosleep(&nap, NULL));
  printf("slept enough: %d\n", now(CLOCK_MONOTONIC) - start >= 20000000);
  start = now(CLOCK_MONOTONIC);
  T(usleep(5000));
  printf("slept enough: %d\n", now(CLOCK_MONOTONIC) - start >= 5000000);
  struct timespec nothing = {0, 0}, wrong = {0, 1000000000};
  T(nanosleep(&nothing, NULL));
  T(nanosleep(&wrong, NULL));

  struct timespec resolution;
  T(clock_getres(CLOCK_MONOTONIC, &resolution));
  printf("resolution below a second: %d\n", resolution.tv_sec == 0 && resolution.tv_nsec > 0);
  T(clock_getres(CLOCK_REALTIME, &resolution));
  struct timeval day;
  gettimeofday(&day, NULL);
  long long wall = now(CLOCK_REALTIME) / 1000000000LL;
  printf("after 2024: %d\n", wall > 1704067200);
  printf("time() and gettimeofday() agree: %d %d\n", llabs(time(NULL) - wall) <= 1,
         llabs(day.tv_sec - wall) <= 1);

  struct tm fields;
  time_t moment = 951827696;
  gmtime_r(&moment, &fields);
  char text[64];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", &fields);
  puts(text);
  printf("back again: %d\n", timegm(&fields) == moment);

  put_file("f", "x");
  struct stat s;
  stat("f", &s);
  printf("a file's time is the clock's: %d\n", llabs(s.st_mtim.tv_sec - time(NULL)) <= 2);
  return 0;
}
