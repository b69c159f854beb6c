/*
 * A text of a policy with wildcards and variables, cut into pieces. What a variable stands for is data: a `*` in the name of a user
 * or in a tag matches a `*` and nothing else, so nobody can widen a policy by what he is called.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */

export type Piece =
  | { readonly kind: 'literal'; readonly text: string }
  /** `*` and `?`. */
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  /** Key in lower case; `fallback` stands in when the request has no value for it. */
  | { readonly kind: 'variable'; readonly key: string; readonly fallback: string | undefined };

export interface TemplateOptions {
  /** `*` and `?` stand for characters; else they are letters like others. */
  readonly wildcards: boolean;
  /** `${…}` is a variable; false in policies of version 2008-10-17, where it is text. */
  readonly variables: boolean;
}

/** What is wrong with a template, and what to write; a policy adds the place. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

const named = /^([A-Za-z0-9-]+:[^{}$,'"*?]+?)(?:\s*,\s*'([^']*)')?$/;

function variable(inner: string): Piece {
  if (inner === '*' || inner === '?' || inner === '$') return { kind: 'literal', text: inner };
  const parts = named.exec(inner);
  if (!parts) {
    throw new TemplateError(
      `\${${inner}} is no variable: write \${key} or \${key, 'default'}, and \${$} for a dollar sign`,
    );
  }
  return { kind: 'variable', key: (parts[1] as string).toLowerCase(), fallback: parts[2] };
}

/** @throws TemplateError when a variable is not closed or not well formed */
export function parseTemplate(text: string, { wildcards, variables }: TemplateOptions): Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  const push = (piece: Piece) => {
    if (piece.kind === 'literal') {
      literal += piece.text;
      return;
    }
    if (literal !== '') pieces.push({ kind: 'literal', text: literal });
    literal = '';
    pieces.push(piece);
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (variables && char === '$' && text[at + 1] === '{') {
      const end = text.indexOf('}', at);
      if (end < 0) throw new TemplateError('a variable is not closed: write } behind it, or ${$} for a dollar sign');
      push(variable(text.slice(at + 2, end)));
      at = end;
    } else if (wildcards && char === '*') push({ kind: 'any' });
    else if (wildcards && char === '?') push({ kind: 'one' });
    else literal += char;
  }
  if (literal !== '' || pieces.length === 0) pieces.push({ kind: 'literal', text: literal });
  return pieces;
}

export const hasVariables = (pieces: readonly Piece[]): boolean => pieces.some((piece) => piece.kind === 'variable');
