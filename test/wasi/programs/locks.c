/* Locks of one process: by description, by process, by range. */
#include "burrow.h"
#include "twin.h"

static const char *const types[] = {"F_RDLCK", "F_WRLCK", "F_UNLCK"};

static int lock(int fd, int command, int type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int result = fcntl(fd, command, &lock);
  if (result == 0 && (command == F_GETLK || command == F_OFD_GETLK)) {
    printf("%s from %lld, %lld bytes, %s\n", types[lock.l_type], (long long)lock.l_start,
           (long long)lock.l_len, lock.l_pid == -1 ? "a description" : "a process");
  }
  return result;
}

int main(void) {
  int a, b, c;
  put_file("file", "0123456789");
  TFD(a, open("file", O_RDWR));
  TFD(b, open("file", O_RDWR));
  TFD(c, dup(a));
  T(flock(a, LOCK_EX));
  T(flock(b, LOCK_SH | LOCK_NB));
  T(flock(c, LOCK_SH | LOCK_NB));
  T(flock(b, LOCK_SH | LOCK_NB));
  T(flock(b, LOCK_EX | LOCK_NB));
  T(flock(b, LOCK_UN));
  T(flock(b, 0));
  T(flock(99, LOCK_SH));
  T(close(a));
  T(flock(b, LOCK_EX | LOCK_NB));
  T(close(c));
  T(flock(b, LOCK_EX | LOCK_NB));
  TFD(a, open("file", O_RDWR));
  T(lock(a, F_SETLK, F_WRLCK, 0, 4));
  T(lock(b, F_SETLK, F_WRLCK, 2, 4));
  T(lock(a, F_OFD_SETLK, F_RDLCK, 0, 2));
  T(lock(a, F_OFD_GETLK, F_RDLCK, 0, 0));
  T(lock(b, F_OFD_SETLK, F_WRLCK, 8, 0));
  T(lock(a, F_GETLK, F_WRLCK, 0, 0));
  T(lock(a, F_OFD_SETLK, F_RDLCK, 6, 4));
  T(lock(a, F_OFD_SETLK, F_RDLCK, 6, 2));
  T(close(open("file", O_RDONLY)));
  T(lock(a, F_OFD_GETLK, F_WRLCK, 0, 4));
  T(lock(a, F_SETLK, 7, 0, 4));
  T(lock(a, F_SETLK, F_WRLCK, -1, 4));
  T(lock(a, F_SETLK, F_WRLCK, 5, -3));
  T(lock(b, F_OFD_GETLK, F_WRLCK, 0, 5));
  TFD(c, open("file", O_RDONLY));
  T(lock(c, F_SETLK, F_WRLCK, 0, 1));
  T(lock(c, F_SETLK, F_RDLCK, 0, 1));
  TFD(c, fcntl(c, F_DUPFD, 20));
  T(c >= 20);
  T(fcntl(c, F_SETFD, FD_CLOEXEC));
  T(fcntl(c, F_GETFD));
  return 0;
}
