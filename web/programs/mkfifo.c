/* mkfifo [-m MODE] NAME...: makes named pipes. */
#include "burrow.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int option, failed = 0;
  const char *mode = NULL;
  while ((option = getopt(argc, argv, "m:")) != -1) {
    if (option == 'm') mode = optarg;
    else return 1;
  }
  if (optind == argc) {
    fprintf(stderr, "usage: mkfifo [-m MODE] NAME...\n");
    return 1;
  }
  char *end = "";
  unsigned long bits = mode ? strtoul(mode, &end, 8) : 0666;
  if (*end != '\0' || bits > 07777) {
    fprintf(stderr, "mkfifo: '%s' is not an octal mode\n", mode);
    return 1;
  }
  for (int i = optind; i < argc; i++) {
    if (mkfifo(argv[i], bits) == 0 && (!mode || chmod(argv[i], bits) == 0)) continue;
    fprintf(stderr, "mkfifo: %s: %s\n", argv[i], strerror(errno));
    failed = 1;
  }
  return failed;
}
