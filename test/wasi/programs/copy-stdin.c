/* Copies its input to a file and back out, with sizes around those of buffers and blocks. */
#include "twin.h"

static unsigned checksum(const char *path, long long *size) {
  int fd = open(path, O_RDONLY);
  unsigned char buffer[777];
  unsigned sum = 0;
  *size = 0;
  for (ssize_t count; (count = read(fd, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < count; i++) sum = sum * 31 + buffer[i];
    *size += count;
  }
  close(fd);
  return sum;
}

int main(void) {
  char buffer[4096];
  long long size;
  int fd = open("in", O_WRONLY | O_CREAT, 0666);
  for (ssize_t count; (count = read(0, buffer, sizeof buffer)) > 0;) write(fd, buffer, count);
  close(fd);
  unsigned sum = checksum("in", &size);
  printf("%lld bytes, checksum %08x\n", size, sum);
  T(read(0, buffer, 1));

  static const int sizes[] = {0, 1, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537, 1048577};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    unsigned char *data = malloc((size_t)sizes[i] + 1);
    for (int n = 0; n < sizes[i]; n++) data[n] = (unsigned char)(n * 7 + n / 256);
    fd = open("block", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t written = write(fd, data, (size_t)sizes[i]);
    close(fd);
    free(data);
    sum = checksum("block", &size);
    printf("%zd written, %lld read, checksum %08x\n", written, size, sum);
  }
  return 0;
}
