import { StoreError } from '../../errors.ts';
import type { Route } from './route.ts';

interface Pattern {
  readonly route: Route;
  readonly segments: readonly string[];
  readonly rest: string | undefined;
}

/** One decoding of one segment; a key keeps its slashes, encoded or not. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new StoreError('InvalidURI', {
      message: `"${text.slice(0, 100)}" is not valid percent-encoded UTF-8.`,
      cause,
    });
  }
}

function fit(pattern: Pattern, parts: readonly string[]): Record<string, string> | undefined {
  const { segments, rest } = pattern;
  if (rest === undefined ? parts.length !== segments.length : parts.length <= segments.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = parts[index] as string;
    if (segment.startsWith('{')) {
      if (part === '') return undefined;
      found[segment.slice(1, -1)] = part;
    } else if (segment !== part) return undefined;
  }
  if (rest !== undefined) found[rest] = parts.slice(segments.length).join('/');
  for (const name of Object.keys(found)) {
    const value = decode(found[name] as string);
    // A signature does not tell an escaped slash from a plain one: it must not decide which route a call takes.
    if (name !== rest && value.includes('/'))
      throw new StoreError('InvalidURI', { message: `The ${name} in the path holds a slash.` });
    found[name] = value;
  }
  return found;
}

/** Finds routes by method and path. */
export function createMatcher(
  routes: readonly Route[],
): (method: string, path: string) => { readonly route: Route; readonly path: Record<string, string> } {
  const patterns = routes.map((route): Pattern => {
    const segments = route.path.split('/');
    const last = segments.at(-1) as string;
    const rest = last.endsWith('...}') ? last.slice(1, -4) : undefined;
    return { route, segments: rest === undefined ? segments : segments.slice(0, -1), rest };
  });
  return (method, path) => {
    const parts = path.split('/');
    const allowed: string[] = [];
    for (const pattern of patterns) {
      const found = fit(pattern, parts);
      if (!found) continue;
      if (pattern.route.method === method) return { route: pattern.route, path: found };
      allowed.push(pattern.route.method);
    }
    if (allowed.length > 0)
      throw new StoreError('MethodNotAllowed', { detail: { Allow: [...new Set(allowed)].join(', ') } });
    throw new StoreError('NotFound', { message: `There is no ${path} below /-/: see /-/v1/openapi.json.` });
  };
}
