/* Sizes and offsets past 4 GiB, in a file that is nearly all hole. */
#include "twin.h"

#define GIB (1024LL * 1024 * 1024)

int main(void) {
  struct stat s;
  char buffer[8] = "";
  int fd = open("big", O_RDWR | O_CREAT, 0666);
  T(write(fd, "start", 5));
  T(lseek(fd, 5 * GIB, SEEK_SET));
  T(write(fd, "end", 3));
  T(lseek(fd, 0, SEEK_CUR));
  fstat(fd, &s);
  printf("%lld\n", (long long)s.st_size);
  T(pread(fd, buffer, 8, 5 * GIB - 2));
  for (int i = 0; i < 5; i++) printf("%d ", buffer[i]);
  printf("\n");
  T(pread(fd, buffer, 5, 0));
  printf("%.5s\n", buffer);
  T(pwrite(fd, "middle", 6, 4 * GIB - 3));
  T(pread(fd, buffer, 6, 4 * GIB - 3));
  printf("%.6s\n", buffer);
  T(pread(fd, buffer, 8, 4 * GIB + 1));
  printf("%.2s %d\n", buffer, buffer[2]);
  T(lseek(fd, -3, SEEK_END));
  T(read(fd, buffer, 8));
  printf("%.3s\n", buffer);
  T(lseek(fd, 0x100000000LL, SEEK_SET));
  T(read(fd, buffer, 3));
  printf("%.3s\n", buffer);
  T(ftruncate(fd, 4 * GIB + 1));
  fstat(fd, &s);
  printf("%lld\n", (long long)s.st_size);
  T(pread(fd, buffer, 8, 4 * GIB - 1));
  T(ftruncate(fd, 6 * GIB));
  T(pread(fd, buffer, 8, 5 * GIB));
  for (int i = 0; i < 3; i++) printf("%d ", buffer[i]);
  printf("\n");
  FILE *file = fdopen(fd, "r+");
  T(fseeko(file, 5 * GIB + 7, SEEK_SET));
  T(ftello(file));
  T(fputs("stdio", file) >= 0);
  T(fseeko(file, -5, SEEK_CUR));
  T(ftello(file));
  printf("%s\n", fgets(buffer, 6, file));
  T(fclose(file));
  T(truncate("big", 5));
  cat_file("big");
  T(unlink("big"));
  return 0;
}
