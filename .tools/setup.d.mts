// Types of setup.mjs, for configuration files and tests in TypeScript.

export declare const ROOT: string;
export declare const CHROMIUM_FLAGS: readonly string[];
export declare class SetupError extends Error {}
export declare function findCommand(...names: string[]): string | undefined;
export declare function ensureDependencies(): void;
export declare function ensureBrowser(): Promise<string>;
export declare function ensureFirefox(): string;
export declare function ensurePython(): string;
export declare function ensureCompiler(): string;
