/*
 * Two processes, "a" and "b", that meet in FIFOs and at locks. Each prints what it sees; told apart
 * by the argument. FIFOs keep them in step: who opens one waits for the other.
 */
#include "burrow.h"
#include "twin.h"

static int is_a;

/* Both have come this far. */
static void meet(const char *name) {
  char byte = '.';
  int fd = open(name, is_a ? O_WRONLY : O_RDONLY);
  if (fd < 0 || (is_a ? write(fd, &byte, 1) : read(fd, &byte, 1)) != 1) printf("%s fails\n", name);
  close(fd);
}

static int lock(int fd, int command, int type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int result = fcntl(fd, command, &lock);
  if (command == F_GETLK && result == 0) {
    printf("type %d from %lld, %lld bytes, by %s\n", lock.l_type, (long long)lock.l_start,
           (long long)lock.l_len, lock.l_pid > 0 && lock.l_pid != getpid() ? "another" : "nobody");
  }
  return result;
}

static void through_fifo(void) {
  static char buffer[10000];
  if (is_a) {
    int fd = open("data", O_WRONLY);
    for (int i = 0; i < 30; i++) {
      memset(buffer, 'a' + i % 26, sizeof buffer);
      if (write(fd, buffer, sizeof buffer) != sizeof buffer) printf("write fails\n");
    }
    T(close(fd));
    return;
  }
  int fd = open("data", O_RDONLY);
  unsigned sum = 0;
  long total = 0;
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0; total += n) {
    for (ssize_t i = 0; i < n; i++) sum = sum * 31 + buffer[i];
  }
  printf("%ld bytes, %u\n", total, sum);
  T(close(fd));
}

static void at_locks(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0600);
  if (is_a) {
    T(lock(fd, F_SETLK, F_WRLCK, 0, 10));
    meet("one");
    meet("two");
    T(pwrite(fd, "a was here", 10, 0));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 10));
  } else {
    meet("one");
    T(lock(fd, F_SETLK, F_RDLCK, 5, 10));
    T(lock(fd, F_GETLK, F_RDLCK, 5, 10));
    T(lock(fd, F_SETLK, F_WRLCK, 10, 10));
    meet("two");
    T(lock(fd, F_SETLKW, F_RDLCK, 0, 10));
    cat_file("file");
    /* That closed the file, and the locks with it. */
    T(lock(fd, F_GETLK, F_WRLCK, 0, 0));
  }
  meet("three");
  if (is_a) {
    T(flock(fd, LOCK_EX));
    meet("four");
    meet("five");
    T(flock(fd, LOCK_UN));
  } else {
    meet("four");
    T(flock(fd, LOCK_SH | LOCK_NB));
    meet("five");
    T(flock(fd, LOCK_SH));
  }
  meet("six");
  T(lock(fd, F_SETLK, F_WRLCK, is_a ? 100 : 200, 1));
  meet("seven");
  if (is_a) {
    T(lock(fd, F_SETLKW, F_WRLCK, 200, 1));
  } else {
    usleep(300000);
    T(lock(fd, F_SETLKW, F_WRLCK, 100, 1));
    T(close(fd));
  }
}

int main(int argc, char **argv) {
  const char *names[] = {"data", "one", "two", "three", "four", "five", "six", "seven"};
  is_a = argc > 1 && strcmp(argv[1], "a") == 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) mkfifo(names[i], 0600);
  through_fifo();
  at_locks();
  return 0;
}
