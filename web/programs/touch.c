/*
 * touch [-acm] [-d TIME | -r FILE] FILE...
 *
 * TIME is YYYY-MM-DD, with [T| ]HH:MM[:SS[.fraction]] after it, or @seconds; always UTC.
 */
#include "mode.h"
#include <getopt.h>
#include <fcntl.h>
#include <time.h>

static int parse_fraction(const char *text, struct timespec *time) {
  long unit = 100000000;
  time->tv_nsec = 0;
  if (*text == '.') {
    for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10) {
      time->tv_nsec += (*text - '0') * unit;
    }
  }
  return *text == '\0' || strcmp(text, "Z") == 0;
}

static int parse_time(const char *text, struct timespec *time) {
  struct tm fields = {0};
  char *end;
  if (*text == '@') {
    time->tv_sec = strtoll(text + 1, &end, 10);
    return end != text + 1 && parse_fraction(end, time);
  }
  const char *rest = strptime(text, "%Y-%m-%d", &fields);
  if (rest == NULL) return 0;
  if (*rest == 'T' || *rest == ' ') {
    rest = strptime(rest + 1, "%H:%M", &fields);
    if (rest != NULL && *rest == ':') rest = strptime(rest + 1, "%S", &fields);
    if (rest == NULL) return 0;
  }
  time->tv_sec = timegm(&fields);
  return parse_fraction(rest, time);
}

int main(int argc, char **argv) {
  struct timespec times[2];
  int no_create = 0, only_atime = 0, only_mtime = 0, letter;
  clock_gettime(CLOCK_REALTIME, &times[0]);
  times[1] = times[0];
  while ((letter = getopt_long(argc, argv, "acmd:r:", NULL, NULL)) != -1) {
    struct stat like;
    if (letter == 'a') only_atime = 1;
    if (letter == 'm') only_mtime = 1;
    if (letter == 'c') no_create = 1;
    if (letter == 'd') {
      if (!parse_time(optarg, &times[0])) {
        fprintf(stderr, "touch: invalid time: %s\n", optarg);
        return 1;
      }
      times[1] = times[0];
    } else if (letter == 'r') {
      if (stat(optarg, &like) < 0) {
        complain("touch", optarg);
        return 1;
      }
      times[0] = like.st_atim;
      times[1] = like.st_mtim;
    } else if (letter == '?') {
      return 1;
    }
  }
  if (optind == argc) {
    fputs("usage: touch [-acm] [-d TIME | -r FILE] FILE...\n", stderr);
    return 1;
  }
  if (only_atime && !only_mtime) times[1].tv_nsec = UTIME_OMIT;
  if (only_mtime && !only_atime) times[0].tv_nsec = UTIME_OMIT;
  for (int i = optind; i < argc; i++) {
    if (utimensat(AT_FDCWD, argv[i], times, 0) == 0) continue;
    if (errno != ENOENT) {
      complain("touch", argv[i]);
    } else if (!no_create) {
      int fd = open(argv[i], O_WRONLY | O_CREAT, 0666);
      if (fd < 0 || futimens(fd, times) < 0) complain("touch", argv[i]);
      if (fd >= 0) close(fd);
    }
  }
  return failed;
}
