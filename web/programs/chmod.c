/*
 * chmod [-Rv] MODE FILE...
 *
 * MODE is octal, or clauses as [ugoa...][+-=][rwxXst...], separated by commas. Without ugoa the
 * usual umask of 022 applies.
 */
#include "mode.h"

#define UMASK 022u

static int recursive, verbose;

/* The bits that a clause's letters stand for, for those in `who` (a mask of 0700, 0070, 0007). */
static int clause_bits(const char **text, uint32_t who, uint32_t old, uint32_t *bits) {
  for (; **text != '\0' && strchr("+-=,", **text) == NULL; (*text)++) {
    int runs = (old & 0170000) == 0040000 || (old & 0111) != 0;
    switch (**text) {
      case 'r': *bits |= 0444 & who; break;
      case 'w': *bits |= 0222 & who; break;
      case 'x': *bits |= 0111 & who; break;
      case 'X': *bits |= runs ? 0111 & who : 0; break;
      case 's': *bits |= (who & 0700 ? 04000u : 0) | (who & 0070 ? 02000u : 0); break;
      case 't': *bits |= 01000; break;
      case 'u': *bits |= ((old >> 6 & 7) * 0111) & who; break;
      case 'g': *bits |= ((old >> 3 & 7) * 0111) & who; break;
      case 'o': *bits |= ((old & 7) * 0111) & who; break;
      default: return 0;
    }
  }
  return 1;
}

/* The mode that `text` makes of `old`; 0 in `ok` if it is no mode. */
static uint32_t new_mode(const char *text, uint32_t old, int *ok) {
  char *end;
  *ok = 1;
  if (text[0] >= '0' && text[0] <= '7') {
    uint32_t mode = (uint32_t)strtoul(text, &end, 8);
    *ok = *end == '\0' && mode <= 07777;
    return mode;
  }
  uint32_t mode = old & 07777;
  do {
    uint32_t who = 0;
    for (; *text != '\0' && strchr("ugoa", *text) != NULL; text++) {
      who |= *text == 'u' ? 0700 : *text == 'g' ? 0070 : *text == 'o' ? 0007 : 0777;
    }
    uint32_t allowed = who != 0 ? 07777 : ~UMASK & 07777;
    if (who == 0) who = 0777;
    if (*text == '\0' || strchr("+-=", *text) == NULL) *ok = 0;
    while (*ok && *text != '\0' && *text != ',') {
      char operation = *text++;
      uint32_t bits = 0;
      if (!clause_bits(&text, who, (old & 0170000) | mode, &bits)) *ok = 0;
      bits &= allowed;
      if (operation == '+') mode |= bits;
      if (operation == '-') mode &= ~bits;
      if (operation == '=') mode = (mode & ~who) | bits;
    }
  } while (*ok && *text++ == ',');
  return mode;
}

static void change(const char *text, const char *path, int is_argument) {
  int ok;
  uint32_t old = mode_of(path, is_argument);
  if (old == 0) {
    errno = ENOENT;
    complain("chmod", path);
    return;
  }
  /* Links met on the way are passed over, as they have no mode of their own. */
  if ((old & 0170000) == 0120000) return;
  uint32_t mode = new_mode(text, old, &ok);
  errno = host_chmod(path, strlen(path), mode);
  if (errno != 0) {
    complain("chmod", path);
  } else if (verbose) {
    printf("mode of '%s' changed from %04o to %04o\n", path, (unsigned)old & 07777, (unsigned)mode);
  }
  if (!recursive || (old & 0170000) != 0040000) return;
  char **names = names_in(path);
  if (names == NULL) complain("chmod", path);
  for (char **name = names; name != NULL && *name != NULL; name++) {
    change(text, join_path(path, *name), 0);
  }
}

int main(int argc, char **argv) {
  int i = 1, ok;
  /* "-w" is a mode and not an option. */
  for (; i < argc && argv[i][0] == '-' && strspn(argv[i] + 1, "Rv-") == strlen(argv[i] + 1); i++) {
    if (strchr(argv[i], 'R') != NULL) recursive = 1;
    if (strchr(argv[i], 'v') != NULL) verbose = 1;
  }
  if (argc - i < 2) {
    fputs("usage: chmod [-Rv] MODE FILE...\n", stderr);
    return 1;
  }
  const char *text = argv[i++];
  new_mode(text, 0100644, &ok);
  if (!ok) {
    fprintf(stderr, "chmod: invalid mode: %s\n", text);
    return 1;
  }
  for (; i < argc; i++) change(text, argv[i], 1);
  return failed;
}
