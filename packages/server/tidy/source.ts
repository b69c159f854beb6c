import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'oxc-parser';

export const root = path.resolve(import.meta.dirname, '../../..');
export const src = path.join(root, 'packages/server/src');

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly name: string;
  readonly text: string;
}

/** Every TypeScript and JavaScript file below `folder`, installed packages and build outputs left out. */
export function sources(folder: string): SourceFile[] {
  const found: SourceFile[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', '.git'].includes(entry.name)) found.push(...sources(full));
    } else if (/\.(ts|mts|mjs|js)$/.test(entry.name)) {
      found.push({ name: path.relative(root, full).replaceAll('\\', '/'), text: readFileSync(full, 'utf8') });
    }
  }
  return found;
}

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** Loaded when it is first needed. */
  readonly deferred: boolean;
}

/** Imports and re-exports of a module. */
export function importsOf(file: SourceFile): Import[] {
  const { module } = parseSync(file.name, file.text);
  const found: Import[] = module.staticImports.map((one) => ({
    specifier: one.moduleRequest.value,
    typeOnly: one.entries.length > 0 && one.entries.every((entry) => entry.isType),
    deferred: false,
  }));
  for (const one of module.staticExports)
    for (const entry of one.entries)
      if (entry.moduleRequest)
        found.push({ specifier: entry.moduleRequest.value, typeOnly: entry.isType, deferred: false });
  for (const one of module.dynamicImports) {
    const text = file.text.slice(one.moduleRequest.start, one.moduleRequest.end);
    if (/^['"]/.test(text)) found.push({ specifier: text.slice(1, -1), typeOnly: false, deferred: true });
  }
  return found;
}

export const isTest = (name: string): boolean =>
  /\.(test|suite|support|fixture)\.ts$|\/(suites|faults|bench|scenarios|tidy)\//.test(name);
