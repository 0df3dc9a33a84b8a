// Types of sample-folder.mjs, for tests in TypeScript.

export declare function ensureSampleFolder(folder: string): void;
