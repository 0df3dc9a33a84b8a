/*
 * Setting times to the nanosecond and leaving them as they are. UTIME_NOW is left to the raw probe
 * filestat-times: Debian's wasi-libc refuses it before any system call.
 */
#include "twin.h"
#include <time.h>

static void show(const char *path, int flags) {
  struct stat s;
  if (fstatat(AT_FDCWD, path, &s, flags) < 0) {
    printf("%s: %s\n", path, errno_name(errno));
    return;
  }
  time_t now = time(NULL);
  int fresh_atime = s.st_atim.tv_sec > now - 600, fresh_mtime = s.st_mtim.tv_sec > now - 600;
  printf("%s: atime ", path);
  if (fresh_atime) {
    printf("now");
  } else {
    printf("%lld.%09ld", (long long)s.st_atim.tv_sec, (long)s.st_atim.tv_nsec);
  }
  printf(" mtime ");
  if (fresh_mtime) {
    printf("now\n");
  } else {
    printf("%lld.%09ld\n", (long long)s.st_mtim.tv_sec, (long)s.st_mtim.tv_nsec);
  }
}

int main(void) {
  put_file("f", "x");
  symlink("f", "s");
  mkdir("d", 0777);
  show("f", 0);
  struct timespec exact[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
  T(utimensat(AT_FDCWD, "f", exact, 0));
  show("f", 0);
  struct timespec mtime_only[2] = {{0, UTIME_OMIT}, {5, 1}};
  T(utimensat(AT_FDCWD, "f", mtime_only, 0));
  show("f", 0);
  struct timespec epoch[2] = {{0, 0}, {0, 999999999}};
  T(utimensat(AT_FDCWD, "f", epoch, 0));
  show("f", 0);
  struct timespec late[2] = {{4294967296LL, 1}, {7000000000LL, 2}};
  T(utimensat(AT_FDCWD, "f", late, 0));
  struct stat s;
  stat("f", &s);
  printf("%lld.%09ld\n", (long long)s.st_mtim.tv_sec, (long)s.st_mtim.tv_nsec);

  T(utimensat(AT_FDCWD, "s", exact, AT_SYMLINK_NOFOLLOW));
  show("s", AT_SYMLINK_NOFOLLOW);
  T(utimensat(AT_FDCWD, "s", exact, 0));
  show("f", 0);
  T(utimensat(AT_FDCWD, "d", exact, 0));
  show("d", 0);
  T(utimensat(AT_FDCWD, "missing", exact, 0));

  int fd = open("f", O_RDWR);
  T(futimens(fd, mtime_only));
  show("f", 0);
  T(write(fd, "y", 1));
  show("f", 0);
  T(futimens(fd, exact));
  close(fd);
  show("f", 0);
  T(futimens(77, exact));
  rename("f", "g");
  show("g", 0);
  return 0;
}
