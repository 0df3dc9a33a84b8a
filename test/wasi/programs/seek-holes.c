/* lseek(): every origin, past the end, and the zeros of a hole. */
#include "twin.h"

int main(void) {
  char buffer[32];
  int fd = open("f", O_RDWR | O_CREAT, 0666);
  T(write(fd, "abc", 3));
  T(lseek(fd, 0, SEEK_CUR));
  T(lseek(fd, 100000, SEEK_SET));
  T(read(fd, buffer, 1));
  T(size_of("f"));
  T(write(fd, "z", 1));
  T(size_of("f"));
  cat_file("f");
  T(lseek(fd, -2, SEEK_END));
  T(read(fd, buffer, 32));
  printf("%d %c\n", buffer[0], buffer[1]);
  T(read(fd, buffer, 32));
  T(lseek(fd, -1, SEEK_SET));
  T(lseek(fd, -200000, SEEK_END));
  T(lseek(fd, -200000, SEEK_CUR));
  T(lseek(fd, 0, SEEK_CUR));
  T(lseek(fd, 5, SEEK_END));
  T(lseek(fd, -5, SEEK_CUR));
  T(lseek(fd, 0, 99));
  T(lseek(77, 0, SEEK_SET));

  /* A hole made by two writers over blocks of every common size. */
  static const off_t places[] = {4095, 4096, 16383, 65535, 65536, 70001};
  T(ftruncate(fd, 0));
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    pwrite(fd, &"ABCDEF"[i], 1, places[i]);
  }
  cat_file("f");
  T(lseek(fd, 4090, SEEK_SET));
  T(read(fd, buffer, 10));
  for (int i = 0; i < 10; i++) printf("%d ", buffer[i]);
  printf("\n");
  return 0;
}
