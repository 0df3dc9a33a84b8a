/* sleep NUMBER[smhd]... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
  double seconds = 0;
  for (int i = 1; i < argc; i++) {
    static const char units[] = "smhd";
    static const int scales[] = {1, 60, 3600, 86400};
    char *end;
    double number = strtod(argv[i], &end);
    const char *unit = strchr(units, *end == '\0' ? 's' : *end);
    if (end == argv[i] || !(number >= 0) || unit == NULL || (*end != '\0' && end[1] != '\0')) {
      fprintf(stderr, "sleep: invalid time interval: %s\n", argv[i]);
      return 1;
    }
    seconds += number * scales[unit - units];
  }
  if (argc < 2) {
    fputs("usage: sleep NUMBER[smhd]...\n", stderr);
    return 1;
  }
  time_t whole = seconds < 1e9 ? (time_t)seconds : 1000000000;
  struct timespec rest = {whole, seconds < 1e9 ? (long)((seconds - (double)whole) * 1e9) : 0};
  while (nanosleep(&rest, &rest) < 0 && errno == EINTR) continue;
  return 0;
}
