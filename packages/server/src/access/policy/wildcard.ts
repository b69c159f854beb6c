import type { RequestContext } from './context.ts';
import type { Piece } from './template.ts';

/*
 * Matching of texts against pieces. There are no regular expressions: a pattern comes from a user and a text from another, and the
 * time that a match takes must not be theirs to choose. The walk goes back to the last `*` only, so it takes at most
 * (length of pattern) × (length of text) steps, and both are limited.
 */

/** Whether `text` from `from` on matches, all of it. */
export type TextTest = (text: string, from: number, context: RequestContext) => boolean;

const any = -1;
const one = -2;

/** Code units, `any` and `one`; undefined when a variable has no value. */
function tokensOf(pieces: readonly Piece[], context: RequestContext | undefined): number[] | undefined {
  const tokens: number[] = [];
  const add = (text: string) => {
    for (let i = 0; i < text.length; i++) tokens.push(text.charCodeAt(i));
  };
  for (const piece of pieces) {
    if (piece.kind === 'literal') add(piece.text);
    else if (piece.kind === 'any') tokens.push(any);
    else if (piece.kind === 'one') tokens.push(one);
    else {
      const value = variableValue(piece, context);
      if (value === undefined) return undefined;
      add(value);
    }
  }
  return tokens;
}

/** What a variable stands for: a key with several values has none that could be meant. */
function variableValue(
  { key, fallback }: Extract<Piece, { kind: 'variable' }>,
  context: RequestContext | undefined,
): string | undefined {
  const found = context?.values(key);
  if (found === undefined) return fallback;
  if (typeof found === 'string') return found;
  return found.length === 1 ? found[0] : fallback;
}

/** The text that pieces without wildcards stand for; undefined when a variable has no value. */
export function resolve(pieces: readonly Piece[], context: RequestContext): string | undefined {
  let text = '';
  for (const piece of pieces) {
    if (piece.kind === 'literal') text += piece.text;
    else if (piece.kind === 'variable') {
      const value = variableValue(piece, context);
      if (value === undefined) return undefined;
      text += value;
    } else text += piece.kind === 'any' ? '*' : '?';
  }
  return text;
}

const isHigh = (code: number) => code >= 0xd800 && code < 0xdc00;

function walk(tokens: readonly number[], text: string, from: number): boolean {
  let at = from;
  let token = 0;
  let star = -1;
  let resume = from;
  while (at < text.length) {
    const wanted = tokens[token];
    if (wanted === any) {
      star = token++;
      resume = at;
    } else if (wanted === one) {
      token++;
      // A character beyond the first plane is one character in two units.
      at += isHigh(text.charCodeAt(at)) && at + 1 < text.length ? 2 : 1;
    } else if (wanted !== undefined && wanted === text.charCodeAt(at)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resume;
    } else return false;
  }
  while (tokens[token] === any) token++;
  return token === tokens.length;
}

/** With variables. One requester asks many times in a row: the tokens of his values are kept until another's come. */
function compileOpen(pieces: readonly Piece[]): TextTest {
  const variables = pieces.filter((piece) => piece.kind === 'variable');
  const [only] = variables;
  const single = variables.length === 1 ? only : undefined;
  let last: string | undefined;
  let tokens: number[] = [];
  return (text, from, context) => {
    if (single === undefined) {
      const fresh = tokensOf(pieces, context);
      return fresh !== undefined && walk(fresh, text, from);
    }
    const value = variableValue(single, context);
    if (value === undefined) return false;
    if (value !== last) {
      tokens = tokensOf(pieces, context) as number[];
      last = value;
    }
    return walk(tokens, text, from);
  };
}

/** The test for pieces whose variables, if any, are looked up for every request. A variable without a value matches nothing. */
export function compilePattern(pieces: readonly Piece[]): TextTest {
  if (pieces.some((piece) => piece.kind === 'variable')) return compileOpen(pieces);
  const [first, second] = pieces;
  if (pieces.length === 1 && first?.kind === 'any') return () => true;
  if (pieces.length === 1 && first?.kind === 'literal') {
    const { text: wanted } = first;
    return (text, from) => text.length - from === wanted.length && text.startsWith(wanted, from);
  }
  if (pieces.length === 2 && first?.kind === 'literal' && second?.kind === 'any') {
    const { text: wanted } = first;
    return (text, from) => text.startsWith(wanted, from);
  }
  const tokens = tokensOf(pieces, undefined) as number[];
  return (text, from) => walk(tokens, text, from);
}
