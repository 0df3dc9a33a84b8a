/* The fields of stat(), as relations. */
#include "twin.h"

static int before(struct timespec a, struct timespec b) {
  return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static int same(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Long enough for a clock that ticks 250 times a second. */
static void tick(void) { usleep(20000); }

int main(void) {
  struct stat s, t, u, dir;
  put_file("f", "12345");
  mkdir("d", 0777);
  symlink("f", "l");
  stat("f", &s);
  int fd = open("f", O_RDWR);
  fstat(fd, &t);
  printf("stat and fstat agree: %d %d %d %d\n", s.st_ino == t.st_ino, s.st_dev == t.st_dev,
         s.st_size == t.st_size, same(s.st_mtim, t.st_mtim));
  stat("l", &t);
  printf("through the link: %d\n", s.st_ino == t.st_ino);
  lstat("l", &t);
  printf("the link itself: %d, %s, %lld\n", s.st_ino != t.st_ino, type_name(t.st_mode),
         (long long)t.st_size);
  printf("%s, %d link, %lld bytes\n", type_name(s.st_mode), (int)s.st_nlink, (long long)s.st_size);
  stat("d", &t);
  printf("%s, inode apart: %d, device the same: %d\n", type_name(t.st_mode), t.st_ino != s.st_ino,
         t.st_dev == s.st_dev);

  tick();
  write(fd, "x", 1);
  fstat(fd, &t);
  printf("write: mtime later %d, ctime later %d, size %lld\n", before(s.st_mtim, t.st_mtim),
         before(s.st_ctim, t.st_ctim), (long long)t.st_size);
  stat(".", &dir);
  tick();
  rename("f", "g");
  stat("g", &u);
  printf("rename: mtime kept %d, inode kept %d\n", same(t.st_mtim, u.st_mtim),
         t.st_ino == u.st_ino);
  stat(".", &u);
  printf("its directory: mtime later %d\n", before(dir.st_mtim, u.st_mtim));
  fstat(fd, &t);
  tick();
  link("g", "h");
  fstat(fd, &u);
  printf("link: mtime kept %d, ctime later %d, links %d\n", same(t.st_mtim, u.st_mtim),
         before(t.st_ctim, u.st_ctim), (int)u.st_nlink);
  tick();
  ftruncate(fd, 3);
  fstat(fd, &t);
  printf("ftruncate: mtime later %d, size %lld\n", before(u.st_mtim, t.st_mtim),
         (long long)t.st_size);
  tick();
  char byte;
  pread(fd, &byte, 1, 0);
  fstat(fd, &u);
  printf("read: mtime kept %d, ctime kept %d\n", same(t.st_mtim, u.st_mtim),
         same(t.st_ctim, u.st_ctim));
  T(stat("missing", &u));
  T(fstat(77, &u));
  T(stat("g/x", &u));
  return 0;
}
