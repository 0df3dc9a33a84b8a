// Types of programs.mjs for the dev server and the tests.

/**
 * The path of an installed program's module, after fetching or building it if need be; undefined if
 * there is no program of that name.
 */
export function ensureProgram(name: string): Promise<string | undefined>;

/** The path of a file that web/programs.json names under programs/; undefined if it names none. */
export function ensureProgramFile(file: string): Promise<string | undefined>;
