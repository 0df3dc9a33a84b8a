/* Positions in a directory: telldir(), seekdir(), rewinddir(), and changes while it is read. */
#include "twin.h"

#define COUNT 60

static int index_of(const char *name) {
  return strncmp(name, "entry-", 6) == 0 ? atoi(name + 6) : -1;
}

int main(void) {
  char path[64];
  mkdir("d", 0777);
  for (int i = 0; i < COUNT; i++) {
    snprintf(path, sizeof path, "d/entry-%02d", i);
    put_file(path, "");
  }
  DIR *dir = opendir("d");
  char order[COUNT + 3][32];
  long position[COUNT + 3];
  int count = 0, dots = 0;
  for (;;) {
    position[count] = telldir(dir);
    struct dirent *entry = readdir(dir);
    if (entry == NULL) break;
    snprintf(order[count], sizeof order[0], "%s", entry->d_name);
    if (index_of(entry->d_name) < 0) {
      dots++;
      printf("%s is a dir: %d\n", entry->d_name, entry->d_type == DT_DIR);
    }
    count++;
  }
  printf("%d entries, %d of them dots\n", count, dots);

  int right = 0;
  for (int i = count - 1; i >= 0; i--) {
    seekdir(dir, position[i]);
    struct dirent *entry = readdir(dir);
    right += entry != NULL && strcmp(entry->d_name, order[i]) == 0;
  }
  printf("%d of %d found again by position\n", right, count);

  rewinddir(dir);
  int seen[COUNT] = {0};
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    int i = index_of(entry->d_name);
    if (i >= 0) seen[i]++;
  }
  int once = 0;
  for (int i = 0; i < COUNT; i++) once += seen[i] == 1;
  printf("after rewinding, %d entries seen once\n", once);

  /* Each entry is removed as it is read: none may be passed over. */
  rewinddir(dir);
  int removed = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (index_of(entry->d_name) < 0) continue;
    snprintf(path, sizeof path, "d/%s", entry->d_name);
    removed += unlink(path) == 0;
  }
  printf("%d removed while reading\n", removed);
  rewinddir(dir);
  int left = 0;
  while (readdir(dir) != NULL) left++;
  printf("%d left\n", left);
  closedir(dir);
  T(rmdir("d"));
  printf("opendir of a missing one: %s\n", opendir("d") == NULL ? errno_name(errno) : "open");
  return 0;
}
