/*
 * stat [-L] [-c FORMAT] FILE...
 *
 * FORMAT: %n name, %N name and target, %s size, %a octal mode, %A mode, %f raw mode, %F type,
 * %h links, %i inode, %d device, %x %y %z times, %X %Y %Z in seconds.
 */
#include "mode.h"
#include <getopt.h>
#include <time.h>

static const char *type_name(uint32_t mode, long long size) {
  switch (mode & 0170000) {
    case 0100000: return size == 0 ? "regular empty file" : "regular file";
    case 0040000: return "directory";
    case 0120000: return "symbolic link";
    case 0020000: return "character special file";
    default: return "unknown";
  }
}

static void print_time(struct timespec time) {
  char text[64];
  struct tm fields;
  gmtime_r(&time.tv_sec, &fields);
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &fields);
  printf("%s.%09ld +0000", text, (long)time.tv_nsec);
}

static void print_name(const char *path, uint32_t mode) {
  char target[4096];
  printf("%s", path);
  if ((mode & 0170000) != 0120000) return;
  ssize_t length = readlink(path, target, sizeof target);
  if (length >= 0) printf(" -> %.*s", (int)length, target);
}

static void print_field(char letter, const char *path, const struct stat *s, uint32_t mode) {
  char text[11];
  mode_text(mode, text);
  switch (letter) {
    case 'n': printf("%s", path); break;
    case 'N': print_name(path, mode); break;
    case 's': printf("%lld", (long long)s->st_size); break;
    case 'a': printf("%o", (unsigned)mode & 07777); break;
    case 'A': printf("%s", text); break;
    case 'f': printf("%x", (unsigned)mode); break;
    case 'F': printf("%s", type_name(mode, s->st_size)); break;
    case 'h': printf("%llu", (unsigned long long)s->st_nlink); break;
    case 'i': printf("%llu", (unsigned long long)s->st_ino); break;
    case 'd': printf("%llu", (unsigned long long)s->st_dev); break;
    case 'x': print_time(s->st_atim); break;
    case 'y': print_time(s->st_mtim); break;
    case 'z': print_time(s->st_ctim); break;
    case 'X': printf("%lld", (long long)s->st_atim.tv_sec); break;
    case 'Y': printf("%lld", (long long)s->st_mtim.tv_sec); break;
    case 'Z': printf("%lld", (long long)s->st_ctim.tv_sec); break;
    case '%': putchar('%'); break;
    default: printf("%%%c", letter);
  }
}

static void print_format(const char *format, const char *path, const struct stat *s,
                         uint32_t mode) {
  for (; *format != '\0'; format++) {
    if (*format == '%' && format[1] != '\0') {
      print_field(*++format, path, s, mode);
    } else {
      putchar(*format);
    }
  }
  putchar('\n');
}

int main(int argc, char **argv) {
  const char *format =
      "  File: %N\n  Size: %s\tLinks: %h\tInode: %i\tDevice: %d\t%F\n  Mode: %A (%a)\n"
      "Access: %x\nModify: %y\nChange: %z";
  int follow = 0, letter;
  while ((letter = getopt_long(argc, argv, "Lc:", NULL, NULL)) != -1) {
    if (letter == 'L') follow = 1;
    if (letter == 'c') format = optarg;
    if (letter == '?') return 1;
  }
  if (optind == argc) {
    fputs("usage: stat [-L] [-c FORMAT] FILE...\n", stderr);
    return 1;
  }
  for (int i = optind; i < argc; i++) {
    struct stat s;
    if ((follow ? stat(argv[i], &s) : lstat(argv[i], &s)) < 0) {
      complain("stat", argv[i]);
    } else {
      print_format(format, argv[i], &s, mode_of(argv[i], follow));
    }
  }
  return failed;
}
