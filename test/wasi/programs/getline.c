/* getline() and getdelim() over short, long, empty and unfinished lines. */
#include "twin.h"

int main(void) {
  FILE *file = fopen("f", "w");
  fputs("first\n\nthird line\n", file);
  for (int i = 0; i < 70000; i++) putc('a' + i % 26, file);
  fputs("\nno newline at the end", file);
  fclose(file);
  file = fopen("f", "r");
  char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, file)) >= 0;) {
    printf("%zd bytes, begins '%.5s', newline %d, room %d\n", length, line[0] == '\n' ? "" : line,
           line[length - 1] == '\n', size > (size_t)length);
  }
  printf("the end: %d, error: %d\n", feof(file) != 0, ferror(file) != 0);
  rewind(file);
  int words = 0;
  while (getdelim(&line, &size, ' ', file) >= 0) words++;
  printf("%d pieces between spaces\n", words);
  fclose(file);
  free(line);

  line = NULL;
  size = 0;
  while (getline(&line, &size, stdin) >= 0) printf("stdin: %s", line);
  printf("\nstdin ended: %d\n", feof(stdin) != 0);
  free(line);
  return 0;
}
