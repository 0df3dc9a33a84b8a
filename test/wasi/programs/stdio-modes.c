/* The modes of fopen() and what a buffer does to positions. */
#include "twin.h"

static void try_open(const char *path, const char *mode) {
  FILE *file = fopen(path, mode);
  printf("fopen(%s, %s): ", path, mode);
  if (file == NULL) {
    printf("%s\n", errno_name(errno));
    return;
  }
  int byte = getc(file);
  if (byte == EOF) {
    printf("reads %s, ", ferror(file) ? "an error" : "the end");
  } else {
    printf("reads %c, ", byte);
  }
  clearerr(file);
  fseek(file, 0, SEEK_CUR);
  int put = fputs("+", file);
  if (put < 0 || fflush(file) != 0) {
    printf("does not write");
  } else {
    printf("writes, then at %ld", ftell(file));
  }
  printf("\n");
  fclose(file);
  cat_file(path);
}

int main(void) {
  static const char *modes[] = {"r", "r+", "a", "a+", "w", "w+", "wx", "rb", "ab+"};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    put_file("f", "abc");
    try_open("f", modes[i]);
  }
  try_open("missing", "r");
  try_open("missing", "r+");
  try_open("created-w", "w");
  try_open("created-a", "a");
  try_open("created-x", "wx");
  mkdir("d", 0777);
  try_open("d", "w");

  FILE *file = fopen("g", "w+");
  for (int i = 0; i < 2000; i++) fprintf(file, "line %d\n", i);
  printf("at %ld\n", ftell(file));
  T(fseek(file, -10, SEEK_END));
  char line[32];
  printf("%s", fgets(line, sizeof line, file));
  printf("%s", fgets(line, sizeof line, file));
  printf("%s\n", fgets(line, sizeof line, file) == NULL ? "the end" : line);
  T(feof(file) != 0);
  T(ungetc('!', file));
  T(feof(file) != 0);
  T(getc(file));
  rewind(file);
  int number = -1;
  T(fscanf(file, "line %d", &number));
  printf("%d at %ld\n", number, ftell(file));
  fpos_t mark;
  fgetpos(file, &mark);
  T(fscanf(file, " line %d", &number));
  fsetpos(file, &mark);
  T(fscanf(file, " line %d", &number));
  printf("%d\n", number);
  T(fseek(file, 3, SEEK_SET));
  T(fwrite("XYZ", 1, 3, file));
  T(fseek(file, 0, SEEK_SET));
  printf("%s", fgets(line, sizeof line, file));
  T(fclose(file));
  T(size_of("g"));

  file = fopen("h", "w");
  setvbuf(file, NULL, _IONBF, 0);
  fputs("at once", file);
  T(size_of("h"));
  fclose(file);
  file = fopen("h", "a");
  fputs(" and later", file);
  T(size_of("h"));
  fclose(file);
  cat_file("h");
  T(remove("h"));
  T(remove("h"));
  T(remove("d"));
  return 0;
}
