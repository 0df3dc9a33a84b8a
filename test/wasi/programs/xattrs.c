/* Extended attributes, and the errors of their calls in their order. */
#include "burrow.h"
#include "twin.h"

static void show(const char *path, const char *name) {
  char value[64];
  ssize_t size = getxattr(path, name, value, sizeof value);
  if (size < 0) {
    printf("%s of %s: %s\n", name, path, errno == ENODATA ? "ENODATA" : errno_name(errno));
    return;
  }
  printf("%s of %s: \"%.*s\"\n", name, path, (int)size, value);
}

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In alphabetical order: filesystems have orders of their own. */
static void list(const char *path) {
  char buffer[256], *found[16];
  int count = 0;
  ssize_t size = listxattr(path, buffer, sizeof buffer);
  printf("list of %s: %zd\n", path, size);
  for (ssize_t at = 0; at < size; at += strlen(buffer + at) + 1) {
    if (strncmp(buffer + at, "user.", 5) == 0) found[count++] = buffer + at;
  }
  qsort(found, count, sizeof *found, compare);
  for (int i = 0; i < count; i++) printf("  %s\n", found[i]);
}

int main(void) {
  char name[300], small[2];
  int fd;
  put_file("file", "text");
  T(mkdir("dir", 0755));
  T(symlink("file", "link"));
  T(setxattr("file", "user.one", "1", 1, 0));
  T(setxattr("link", "user.two", "two", 3, XATTR_CREATE));
  T(setxattr("file", "user.two", "2", 1, XATTR_CREATE));
  T(setxattr("file", "user.three", "3", 1, XATTR_REPLACE) < 0 && errno == ENODATA);
  T(setxattr("dir", "user.empty", "", 0, 0));
  T(setxattr("file", "user.one", "x", 1, 4));
  T(setxattr("file", "", "x", 1, 0));
  T(setxattr("file", "nonsense", "x", 1, 0));
  T(lsetxattr("link", "user.own", "x", 1, 0));
  T(setxattr("missing", "user.one", "x", 1, 0));
  memset(name, 'a', sizeof name);
  memcpy(name, "user.", 5);
  name[255] = '\0';
  T(setxattr("file", name, "long", 4, 0));
  T(removexattr("file", name));
  name[255] = 'a';
  name[256] = '\0';
  T(setxattr("file", name, "long", 4, 0));
  show("file", "user.one");
  show("link", "user.two");
  show("dir", "user.empty");
  show("file", "user.missing");
  T(getxattr("file", "user.two", NULL, 0));
  T(getxattr("file", "user.two", small, sizeof small));
  list("file");
  list("dir");
  TFD(fd, open("file", O_RDONLY));
  T(fsetxattr(fd, "user.fd", "yes", 3, 0));
  T(fremovexattr(fd, "user.one"));
  T(fremovexattr(fd, "user.one") < 0 && errno == ENODATA);
  list("file");
  T(close(fd));
  T(rename("file", "renamed"));
  show("renamed", "user.fd");
  return 0;
}
