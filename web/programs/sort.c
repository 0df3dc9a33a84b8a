/*
 * sort [-bcfnrsu] [-k FROM[,TO]] [-o FILE] [-t CHARACTER] [FILE...]
 *
 * Orders lines by their bytes, or by one range of fields. Equal keys are ordered by the whole line,
 * with -s by where they stood.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line {
  char *text;
  const char *key;
  size_t key_length;
  size_t position;
};

static int blanks, check, fold, numeric, reverse, stable, unique;
static long key_from = 1, key_to = 0; /* 0: to the end of the line. */
static char separator = '\0';         /* '\0': fields begin at white space. */
static struct line *lines;
static size_t line_count, line_room;

/* Where a field begins, and with `past` where it ends. */
static const char *field(const char *text, long number, int past) {
  for (long i = 1; *text != '\0'; i++) {
    if (i == number && !past) return text;
    if (separator != '\0') {
      while (*text != '\0' && *text != separator) text++;
    } else {
      while (isblank((unsigned char)*text)) text++;
      while (*text != '\0' && !isblank((unsigned char)*text)) text++;
    }
    if (i == number) return text;
    if (separator != '\0' && *text != '\0') text++;
  }
  return text;
}

static void add_line(char *text) {
  if (line_count == line_room) {
    line_room = line_room == 0 ? 1024 : line_room * 2;
    lines = realloc(lines, line_room * sizeof *lines);
    if (lines == NULL) abort();
  }
  struct line *line = &lines[line_count];
  line->text = text;
  line->key = key_from > 1 ? field(text, key_from, 0) : text;
  const char *end = key_to > 0 ? field(text, key_to, 1) : text + strlen(text);
  while ((blanks || numeric) && line->key < end && isblank((unsigned char)*line->key)) line->key++;
  line->key_length = end > line->key ? (size_t)(end - line->key) : 0;
  line->position = line_count++;
}

static int compare_keys(const struct line *a, const struct line *b) {
  if (numeric) {
    double x = strtod(a->key, NULL), y = strtod(b->key, NULL);
    return (x > y) - (x < y);
  }
  size_t shorter = a->key_length < b->key_length ? a->key_length : b->key_length;
  for (size_t i = 0; i < shorter; i++) {
    int x = (unsigned char)a->key[i], y = (unsigned char)b->key[i];
    if (fold) x = toupper(x), y = toupper(y);
    if (x != y) return x < y ? -1 : 1;
  }
  return (a->key_length > b->key_length) - (a->key_length < b->key_length);
}

static int compare(const void *left, const void *right) {
  const struct line *a = left, *b = right;
  int by = compare_keys(a, b);
  if (by == 0 && !stable && !unique) by = strcmp(a->text, b->text);
  if (by != 0) return reverse ? -by : by;
  return a->position < b->position ? -1 : 1;
}

static int read_lines(FILE *file) {
  char *line = NULL;
  size_t room = 0;
  for (ssize_t length; (length = getline(&line, &room, file)) >= 0;) {
    if (length > 0 && line[length - 1] == '\n') line[length - 1] = '\0';
    char *copy = strdup(line);
    if (copy == NULL) abort();
    add_line(copy);
  }
  free(line);
  return ferror(file) ? -1 : 0;
}

static int parse_key(const char *text) {
  char *end;
  key_from = strtol(text, &end, 10);
  key_to = 0;
  for (; isalpha((unsigned char)*end); end++) {
    if (*end == 'n') numeric = 1;
    if (*end == 'r') reverse = 1;
    if (*end == 'f') fold = 1;
    if (*end == 'b') blanks = 1;
  }
  if (*end == ',') key_to = strtol(end + 1, &end, 10);
  for (; isalpha((unsigned char)*end); end++) {
    if (*end == 'n') numeric = 1;
    if (*end == 'r') reverse = 1;
  }
  return key_from >= 1 && key_to >= 0 && *end == '\0';
}

static int usage(void) {
  fputs("usage: sort [-bcfnrsu] [-k FROM[,TO]] [-o FILE] [-t CHARACTER] [FILE...]\n", stderr);
  return 2;
}

int main(int argc, char **argv) {
  const char *output = NULL;
  int has_key = 0, letter;
  while ((letter = getopt_long(argc, argv, "bcfk:no:rst:u", NULL, NULL)) != -1) {
    switch (letter) {
      case 'b': blanks = 1; break;
      case 'c': check = 1; break;
      case 'f': fold = 1; break;
      case 'n': numeric = 1; break;
      case 'o': output = optarg; break;
      case 'r': reverse = 1; break;
      case 's': stable = 1; break;
      case 't': separator = *optarg; break;
      case 'u': unique = 1; break;
      case 'k':
        if (has_key || !parse_key(optarg)) return usage();
        has_key = 1;
        break;
      default: return usage();
    }
  }
  static char *standard_input[] = {"-"};
  char **paths = optind < argc ? argv + optind : standard_input;
  int count = optind < argc ? argc - optind : 1;
  for (int i = 0; i < count; i++) {
    FILE *file = strcmp(paths[i], "-") == 0 ? stdin : fopen(paths[i], "r");
    if (file == NULL || read_lines(file) < 0) {
      fprintf(stderr, "sort: %s: %s\n", paths[i], strerror(errno));
      return 2;
    }
    if (file != stdin) fclose(file);
  }
  if (check) {
    for (size_t i = 1; i < line_count; i++) {
      int by = compare_keys(&lines[i - 1], &lines[i]) * (reverse ? -1 : 1);
      if (by > 0 || (by == 0 && unique)) {
        fprintf(stderr, "sort: disorder: %s\n", lines[i].text);
        return 1;
      }
    }
    return 0;
  }
  qsort(lines, line_count, sizeof *lines, compare);
  /* Opened only now: it may be one of the inputs. */
  FILE *out = output != NULL ? fopen(output, "w") : stdout;
  if (out == NULL) {
    fprintf(stderr, "sort: %s: %s\n", output, strerror(errno));
    return 2;
  }
  for (size_t i = 0; i < line_count; i++) {
    if (unique && i > 0 && compare_keys(&lines[i - 1], &lines[i]) == 0) continue;
    if (fputs(lines[i].text, out) < 0 || putc('\n', out) == EOF) break;
  }
  if (fclose(out) != 0) {
    fprintf(stderr, "sort: write: %s\n", strerror(errno));
    return 2;
  }
  return 0;
}
