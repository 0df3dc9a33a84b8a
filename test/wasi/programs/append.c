/* O_APPEND is decided at each write, for every descriptor of its own. */
#include "twin.h"

int main(void) {
  char buffer[16] = "";
  put_file("log", "one\n");
  int a = open("log", O_WRONLY | O_APPEND);
  int b = open("log", O_WRONLY | O_APPEND);
  int c = open("log", O_RDWR);
  T(lseek(a, 0, SEEK_CUR));
  T(write(a, "two\n", 4));
  T(lseek(a, 0, SEEK_CUR));
  T(write(b, "three\n", 6));
  T(lseek(b, 0, SEEK_CUR));
  T(lseek(a, 0, SEEK_SET));
  T(write(a, "four\n", 5));
  T(lseek(a, 0, SEEK_CUR));
  cat_file("log");

  T(write(c, "ONE", 3));
  T(lseek(c, 0, SEEK_CUR));
  T(read(c, buffer, 5));
  printf("read '%.5s'\n", buffer);
  cat_file("log");

  /* Linux: pwrite() on an O_APPEND descriptor appends whatever its offset says. */
  T(pwrite(a, "five\n", 5, 0));
  T(lseek(a, 0, SEEK_CUR));
  cat_file("log");

  T(fcntl(c, F_SETFL, O_APPEND));
  T((fcntl(c, F_GETFL) & O_APPEND) != 0);
  T(lseek(c, 0, SEEK_SET));
  T(write(c, "six\n", 4));
  T(fcntl(c, F_SETFL, 0));
  T((fcntl(c, F_GETFL) & O_APPEND) != 0);
  T(lseek(c, 4, SEEK_SET));
  T(write(c, "TWO", 3));
  cat_file("log");

  T(ftruncate(c, 0));
  T(write(a, "after\n", 6));
  cat_file("log");
  int d = open("log", O_RDWR | O_APPEND);
  T(read(d, buffer, 3));
  T(write(d, "!", 1));
  T(read(d, buffer, 3));
  cat_file("log");
  return 0;
}
