/* Streams over descriptors and descriptors under streams. */
#include "twin.h"

int main(void) {
  int fd = open("f", O_RDWR | O_CREAT, 0666);
  T(dprintf(fd, "%s %d\n", "number", 42));
  T(lseek(fd, 0, SEEK_SET));
  FILE *file = fdopen(fd, "r+");
  T(fileno(file) == fd);
  char word[16];
  int number = 0;
  T(fscanf(file, "%15s %d", word, &number));
  printf("%s %d\n", word, number);
  T(fseek(file, 0, SEEK_END));
  T(fputs("more\n", file) >= 0);
  T(size_of("f"));
  T(fflush(file));
  T(size_of("f"));
  T(write(fd, "raw\n", 4));
  T(fclose(file));
  T(close(fd));
  cat_file("f");

  fd = open("f", O_RDONLY);
  T((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  close(fd);
  fd = open("f", O_WRONLY | O_APPEND | O_CLOEXEC);
  T((fcntl(fd, F_GETFL) & O_APPEND) != 0);
  T((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
  file = fdopen(fd, "a");
  fputs("tail\n", file);
  fclose(file);
  cat_file("f");
  T(fdopen(77, "q") == NULL);
  T(isatty(77));
  fd = open("f", O_RDONLY);
  T(isatty(fd));

  /* The lowest free descriptor is given out. */
  int a = open("f", O_RDONLY), b = open("f", O_RDONLY), c = open("f", O_RDONLY);
  printf("ascending: %d\n", a < b && b < c);
  close(b);
  T(open("f", O_RDONLY) == b);
  close(a);
  close(c);
  T(open("f", O_RDONLY) == a);
  return 0;
}
