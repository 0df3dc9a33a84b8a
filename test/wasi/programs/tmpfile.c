/* Files without a name, copies between descriptors, and holes. */
#include "burrow.h"
#include "twin.h"

int main(void) {
  int fd, other, dir;
  char buffer[16] = {0};
  struct statx stat;
  off_t offset = 2;
  T(mkdir("dir", 0755));
  TFD(fd, open("dir", O_TMPFILE | O_RDWR, 0640));
  T(write(fd, "without a name", 14));
  T(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat));
  printf("%o, %u links, %llu bytes\n", stat.stx_mode, stat.stx_nlink,
         (unsigned long long)stat.stx_size);
  T(linkat(fd, "", AT_FDCWD, "dir/named", AT_EMPTY_PATH));
  cat_file("dir/named");
  T(close(fd));
  TFD(fd, open("dir", O_TMPFILE | O_RDWR | O_EXCL, 0600));
  T(linkat(fd, "", AT_FDCWD, "dir/never", AT_EMPTY_PATH));
  T(close(fd));
  TFD(fd, open("dir", O_TMPFILE | O_RDONLY, 0600));
  TFD(fd, open("dir/named", O_TMPFILE | O_RDWR, 0600));
  TFD(fd, open("dir/named", O_RDONLY));
  TFD(other, open("dir/copy", O_RDWR | O_CREAT, 0600));
  T(copy_file_range(fd, &offset, other, NULL, 5, 0));
  printf("offset %lld\n", (long long)offset);
  T(sendfile(other, fd, NULL, 7));
  cat_file("dir/copy");
  T(copy_file_range(fd, NULL, fd, NULL, 5, 0));
  T(lseek(other, 0, SEEK_SET));
  T(fallocate(other, 0, 100000, 50000));
  T(fallocate(other, FALLOC_FL_KEEP_SIZE, 200000, 50000));
  T(pwrite(other, "data", 4, 130000));
  T(fallocate(other, FALLOC_FL_PUNCH_HOLE, 0, 4096));
  T(fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 3));
  T(pread(other, buffer, 8, 0));
  for (int i = 0; i < 8; i++) printf("%d ", buffer[i]);
  printf("\n");
  T(fstatat(AT_FDCWD, "dir/copy", &(struct stat){0}, 0));
  T(lseek(other, 0, SEEK_END));
  TFD(dir, open("dir", O_PATH | O_DIRECTORY));
  T(fchdir(dir));
  T(getcwd(buffer, 2) == NULL);
  cat_file("copy");
  T(faccessat(AT_FDCWD, "named", R_OK | W_OK, 0));
  T(chdir(".."));
  T(rename("dir/named", "dir/renamed"));
  T(renameat2(AT_FDCWD, "dir/renamed", AT_FDCWD, "dir/copy", RENAME_NOREPLACE));
  T(renameat2(AT_FDCWD, "dir/renamed", AT_FDCWD, "dir/copy", RENAME_EXCHANGE));
  cat_file("dir/copy");
  return 0;
}
