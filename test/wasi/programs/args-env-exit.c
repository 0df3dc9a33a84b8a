/* Arguments, environment, what is run at exit, and the exit code. */
#include "twin.h"

extern char **environ;

static void first(void) { puts("registered first, run last"); }
static void second(void) { puts("registered second, run first"); }

int main(int argc, char **argv) {
  printf("%d arguments\n", argc - 1);
  for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
  printf("after the last: %s\n", argv[argc] == NULL ? "NULL" : "something");
  const char *greeting = getenv("GREETING"), *empty = getenv("EMPTY");
  printf("GREETING=%s EMPTY=%s UNSET=%s\n", greeting != NULL ? greeting : "none",
         empty != NULL ? (*empty == '\0' ? "''" : empty) : "none",
         getenv("UNSET") != NULL ? "set" : "none");
  int count = 0;
  for (char **e = environ; *e != NULL; e++) count++;
  printf("%d in the environment\n", count);
  T(setenv("GREETING", "bye", 0));
  puts(getenv("GREETING"));
  T(setenv("GREETING", "bye", 1));
  puts(getenv("GREETING"));
  T(unsetenv("GREETING"));
  printf("%s\n", getenv("GREETING") == NULL ? "gone" : "still there");
  T(setenv("A=B", "x", 1));
  atexit(first);
  atexit(second);
  fprintf(stderr, "to stderr\n");
  printf("no newline at the end");
  putchar('\n');
  exit(argc > 1 ? 42 : 0);
}
