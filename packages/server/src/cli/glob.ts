import { UsageError } from './exit.ts';

const wildcard = /(?<!\\)(?:\\\\)*[*?]/;

export const hasWildcard = (pattern: string) => wildcard.test(pattern);

/** The pattern that only this text matches. */
export const escapePattern = (text: string) => text.replace(/[*?\\]/g, '\\$&');

/** The text that a pattern without wildcards stands for. */
export const unescapePattern = (pattern: string) => pattern.replace(/\\([*?\\])/g, '$1');

const escapeForRegExp = (char: string) => char.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** What a pattern matches: `?` one character and `*` any number, both but `/`; `**` any number of any; `\` takes the next one literally. */
export function patternToRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === '\\' && i + 1 < pattern.length) source += escapeForRegExp(pattern[++i]!);
    else if (char === '?') source += '[^/]';
    else if (char === '*') {
      const double = pattern[i + 1] === '*';
      if (double) i++;
      // `**/` also stands for no folder at all.
      if (double && pattern[i + 1] === '/') {
        i++;
        source += '(?:.*/)?';
      } else source += double ? '.*' : '[^/]*';
    } else source += escapeForRegExp(char);
  }
  return new RegExp(`^${source}$`, 'su');
}

/** The part before the first wildcard, which a listing can be narrowed to. */
export function literalPrefix(pattern: string): string {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === '*' || char === '?') break;
    out += char === '\\' && i + 1 < pattern.length ? pattern[++i]! : char;
  }
  return out;
}

export interface FilterRule {
  readonly include: boolean;
  readonly pattern: string;
}

/**
 * Whether a relative path passes a list of --include and --exclude. The last rule that matches decides; what no rule matches passes, unless the first
 * rule is an --include. A pattern without `/` is compared with the last name of the path, any other with the whole path.
 */
export function filterOf(rules: readonly FilterRule[]): (path: string) => boolean {
  const compiled = rules.map(({ include, pattern }) => {
    if (pattern === '') throw new UsageError('an empty pattern matches nothing');
    const whole = pattern.includes('/');
    return { include, whole, regExp: patternToRegExp(pattern.replace(/^\//, '')) };
  });
  const otherwise = rules[0]?.include !== true;
  return (path) => {
    const name = path.slice(path.replace(/\/$/, '').lastIndexOf('/') + 1);
    const decisive = compiled.findLast((rule) => rule.regExp.test(rule.whole ? path : name));
    return decisive?.include ?? otherwise;
  };
}
