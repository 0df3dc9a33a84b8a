/* A directory of 3,000 files: made, counted, sorted, thinned out, removed. */
#include "twin.h"

#define COUNT 3000

static unsigned char seen[COUNT];

/* Reads the whole directory; answers how many of our names were there, each exactly once. */
static int count_names(const char *path) {
  memset(seen, 0, sizeof seen);
  DIR *dir = opendir(path);
  int total = 0, twice = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strncmp(entry->d_name, "file-number-", 12) != 0) continue;
    int i = atoi(entry->d_name + 12);
    twice += seen[i]++ != 0;
    total++;
  }
  closedir(dir);
  if (twice > 0) printf("%d names came twice\n", twice);
  return total;
}

int main(void) {
  char path[64];
  mkdir("d", 0777);
  for (int i = 0; i < COUNT; i++) {
    snprintf(path, sizeof path, "d/file-number-%d", (i * 7919) % COUNT);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) printf("%s: %s\n", path, errno_name(errno));
    close(fd);
  }
  T(count_names("d"));
  for (int i = 0; i < COUNT; i += 3) {
    snprintf(path, sizeof path, "d/file-number-%d", i);
    unlink(path);
  }
  T(count_names("d"));
  printf("the right ones: %d %d %d\n", seen[0], seen[1], seen[3]);
  T(rmdir("d"));

  struct dirent **names;
  int count = scandir("d", &names, NULL, alphasort);
  printf("%d entries, sorted:", count);
  int sorted = 1;
  for (int i = 1; i < count; i++) sorted &= strcmp(names[i - 1]->d_name, names[i]->d_name) < 0;
  printf(" %d, the first: %s, the last: %s\n", sorted, names[0]->d_name, names[count - 1]->d_name);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "d/%s", names[i]->d_name);
    if (names[i]->d_name[0] != '.') unlink(path);
    free(names[i]);
  }
  free(names);
  T(count_names("d"));
  T(rmdir("d"));
  return 0;
}
