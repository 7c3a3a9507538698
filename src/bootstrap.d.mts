/** What the tests use of bootstrap.mjs, which stays plain JavaScript. */
export class Stop extends Error {
  readonly hint: string;
}

export interface Request {
  readonly command: 'start' | 'test' | 'build' | 'setup';
  readonly args: string[];
  readonly noInstall: boolean;
  readonly long: boolean;
}

export interface NpmLock {
  readonly packages?: Record<string, { version?: string; integrity?: string; optional?: boolean }>;
}

export interface ToolSituation {
  readonly missing: readonly string[];
  readonly debian: boolean;
  readonly root: boolean;
  readonly noInstall: boolean;
}

export function parseArguments(argv: readonly string[]): Request;
export function nodeIsRecentEnough(version: string): boolean;
export function lockStamp(lockText: string): string;
export function installedMatches(wanted: NpmLock, installed: NpmLock): boolean;
export function planForTools(
  situation: ToolSituation,
): { readonly install: readonly string[] } | { readonly stop: Stop } | undefined;
export function nodeGypCall(
  env: NodeJS.ProcessEnv,
  prefix: string | undefined,
): { readonly args: string[]; readonly env: NodeJS.ProcessEnv };
export function fingerprint(files: readonly string[]): string;
export function filesBelow(directory: string): string[];
