/*
 * sqlite3: a small shell for SQLite, for the playground.
 *
 *   sqlite3 [-header] [-separator SEP] [DATABASE [SQL...]]
 *
 * Runs the SQL of its arguments, or what it reads: statements end with a semicolon, a line that
 * starts with a dot is a command (.tables .schema .headers .separator .help .quit). Prints rows in
 * the list mode of SQLite's own shell. Prompts when its input is a terminal.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sqlite3.h"

struct shell {
  sqlite3 *db;
  const char *separator;
  int headers;
  int interactive;
  int failed;
};

static void complain(struct shell *shell, const char *message) {
  fflush(stdout);
  fprintf(stderr, "Error: %s\n", message);
  shell->failed = 1;
}

static void print_row(struct shell *shell, sqlite3_stmt *statement, int names) {
  int count = sqlite3_column_count(statement);
  for (int i = 0; i < count; i++) {
    const char *text = names ? sqlite3_column_name(statement, i)
                             : (const char *)sqlite3_column_text(statement, i);
    printf("%s%s", i > 0 ? shell->separator : "", text != NULL ? text : "");
  }
  putchar('\n');
}

/* Runs every statement of `sql`; stops at the first that fails. */
static void run_sql(struct shell *shell, const char *sql) {
  while (*sql != '\0') {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(shell->db, sql, -1, &statement, &sql) != SQLITE_OK) {
      complain(shell, sqlite3_errmsg(shell->db));
      return;
    }
    if (statement == NULL) continue; /* White space or a comment. */
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW && shell->headers) print_row(shell, statement, 1);
    for (; step == SQLITE_ROW; step = sqlite3_step(statement)) print_row(shell, statement, 0);
    if (step != SQLITE_DONE) complain(shell, sqlite3_errmsg(shell->db));
    sqlite3_finalize(statement);
    if (step != SQLITE_DONE) return;
  }
}

/* Prints column 0 of a query with one parameter: what .tables and .schema are made of. */
static void print_catalog(struct shell *shell, const char *query, const char *pattern) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(shell->db, query, -1, &statement, NULL) != SQLITE_OK) {
    complain(shell, sqlite3_errmsg(shell->db));
    return;
  }
  sqlite3_bind_text(statement, 1, pattern, -1, SQLITE_STATIC);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    printf("%s\n", (const char *)sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
}

static const char tables_query[] =
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name LIKE ?1 ORDER BY name";
static const char schema_query[] =
    "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name LIKE ?1"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY tbl_name, type DESC, name";

/* Runs a dot command; answers whether to go on. */
static int run_command(struct shell *shell, char *line) {
  char *name = strtok(line, " \t\r\n");
  char *argument = strtok(NULL, " \t\r\n");
  const char *pattern = argument != NULL ? argument : "%";
  if (strcmp(name, ".quit") == 0 || strcmp(name, ".exit") == 0) return 0;
  if (strcmp(name, ".tables") == 0) {
    print_catalog(shell, tables_query, pattern);
  } else if (strcmp(name, ".schema") == 0) {
    print_catalog(shell, schema_query, pattern);
  } else if (strcmp(name, ".headers") == 0 && argument != NULL) {
    shell->headers = strcmp(argument, "on") == 0;
  } else if (strcmp(name, ".separator") == 0 && argument != NULL) {
    shell->separator = strdup(argument);
  } else if (strcmp(name, ".help") == 0) {
    puts(".headers on|off   show column names\n"
         ".quit             leave\n"
         ".schema ?TABLE?   show CREATE statements\n"
         ".separator SEP    text between columns\n"
         ".tables ?TABLE?   names of tables and views");
  } else {
    complain(shell, "unknown command; see .help");
  }
  return 1;
}

static void prompt(struct shell *shell, const char *text) {
  if (!shell->interactive) return;
  fputs(text, stdout);
  fflush(stdout);
}

static int is_blank(const char *text) {
  while (isspace((unsigned char)*text)) text++;
  return *text == '\0';
}

/* Reads statements and commands until the end of the input. */
static void read_input(struct shell *shell) {
  char *line = NULL, *sql = NULL;
  size_t line_size = 0, sql_length = 0;
  prompt(shell, "sqlite> ");
  for (ssize_t length; (length = getline(&line, &line_size, stdin)) >= 0;) {
    if (sql_length == 0 && line[0] == '.') {
      if (!run_command(shell, line)) break;
    } else {
      sql = realloc(sql, sql_length + (size_t)length + 1);
      if (sql == NULL) abort();
      memcpy(sql + sql_length, line, (size_t)length + 1);
      sql_length += (size_t)length;
      if (sqlite3_complete(sql) || is_blank(sql)) {
        run_sql(shell, sql);
        sql_length = 0;
      }
    }
    prompt(shell, sql_length == 0 ? "sqlite> " : "   ...> ");
  }
  if (sql_length > 0) run_sql(shell, sql);
  free(line);
  free(sql);
}

int main(int argc, char **argv) {
  struct shell shell = {.separator = "|", .interactive = isatty(0)};
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (strcmp(argv[i], "-header") == 0) {
      shell.headers = 1;
    } else if (strcmp(argv[i], "-separator") == 0 && i + 1 < argc) {
      shell.separator = argv[++i];
    } else if (strcmp(argv[i], "-version") == 0) {
      puts(sqlite3_libversion());
      return 0;
    } else {
      fprintf(stderr, "usage: sqlite3 [-header] [-separator SEP] [DATABASE [SQL...]]\n");
      return 1;
    }
  }
  const char *name = i < argc ? argv[i++] : ":memory:";
  if (sqlite3_open(name, &shell.db) != SQLITE_OK) {
    fprintf(stderr, "Error: unable to open database \"%s\": %s\n", name, sqlite3_errmsg(shell.db));
    return 1;
  }
  if (i < argc) {
    for (; i < argc && !shell.failed; i++) run_sql(&shell, argv[i]);
  } else {
    if (shell.interactive) printf("SQLite %s; .help for help\n", sqlite3_libversion());
    read_input(&shell);
  }
  sqlite3_close(shell.db);
  return shell.failed;
}
