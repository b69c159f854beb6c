import type { RequestContext } from './context.ts';
import { type Piece, TemplateError } from './template.ts';
import { compilePattern, type TextTest } from './wildcard.ts';

/*
 * ARNs: `arn:partition:service:region:account:resource`. Each of the six fields is matched for itself, so that a wildcard never
 * reaches over a colon into the next field; the last field is all the rest.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */

const fields = 6;

/** Offsets at which the six fields of an ARN begin; undefined when there are fewer. */
function beginnings(text: string): number[] | undefined {
  const found = [0];
  while (found.length < fields) {
    const colon = text.indexOf(':', found.at(-1));
    if (colon < 0) return undefined;
    found.push(colon + 1);
  }
  return found;
}

/** Pieces of the six fields; undefined when there are fewer colons. */
function split(pieces: readonly Piece[]): Piece[][] | undefined {
  const parts: Piece[][] = [[]];
  const last = () => parts[parts.length - 1] as Piece[];
  for (const piece of pieces) {
    if (piece.kind !== 'literal') {
      last().push(piece);
      continue;
    }
    let rest = piece.text;
    while (parts.length < fields) {
      const colon = rest.indexOf(':');
      if (colon < 0) break;
      if (colon > 0) last().push({ kind: 'literal', text: rest.slice(0, colon) });
      parts.push([]);
      rest = rest.slice(colon + 1);
    }
    if (rest !== '') last().push({ kind: 'literal', text: rest });
  }
  return parts.length === fields ? parts : undefined;
}

const textOf = (pieces: readonly Piece[]): string | undefined =>
  pieces.length === 0
    ? ''
    : pieces.every((piece) => piece.kind === 'literal')
      ? pieces.map((piece) => (piece as { text: string }).text).join('')
      : undefined;

const matcherOf = (pieces: readonly Piece[]): TextTest =>
  compilePattern(pieces.length === 0 ? [{ kind: 'literal', text: '' }] : pieces);

/** Compiles the six fields. */
function compileFields(parts: readonly Piece[][]): (arn: string, context: RequestContext) => boolean {
  const head = parts.slice(0, 5).map(textOf);
  const rest = matcherOf(parts[5] as Piece[]);
  if (head.every((text) => text !== undefined)) {
    const beginning = `${head.join(':')}:`;
    return (arn, context) => arn.startsWith(beginning) && rest(arn, beginning.length, context);
  }
  const tests = parts.map(matcherOf);
  return (arn, context) => {
    const starts = beginnings(arn);
    if (!starts) return false;
    return tests.every((test, i) => {
      const from = starts[i] as number;
      const end = i === fields - 1 ? arn.length : (starts[i + 1] as number) - 1;
      return test(arn.slice(from, end), 0, context);
    });
  };
}

export type ArnTest = (arn: string, context: RequestContext) => boolean;

/** A pattern of Resource or NotResource. @throws TemplateError when it has not six fields, or a variable before the last */
export function compileResource(pieces: readonly Piece[]): ArnTest {
  if (pieces.length === 1 && pieces[0]?.kind === 'any') return () => true;
  const parts = split(pieces);
  if (!parts || textOf(parts[0] as Piece[]) !== 'arn') {
    throw new TemplateError('a resource must be * or an ARN with all six fields, as arn:aws:s3:::BUCKET/KEY*');
  }
  if (textOf(parts[2] as Piece[]) === undefined) {
    throw new TemplateError('the service of a resource must be written out, as in arn:aws:s3:::BUCKET');
  }
  if (parts.slice(0, 5).some((part) => part.some((piece) => piece.kind === 'variable'))) {
    throw new TemplateError('a variable may stand behind the fifth colon of a resource only');
  }
  return compileFields(parts);
}

/** A value of an Arn condition. @throws TemplateError when it is written without six fields */
export function compileArn(pieces: readonly Piece[]): ArnTest {
  const parts = split(pieces);
  if (parts) return compileFields(parts);
  if (!pieces.some((piece) => piece.kind === 'variable')) {
    throw new TemplateError(
      'an ARN has six fields: write arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, each may be *',
    );
  }
  // What a variable stands for may be a whole ARN; it is compared as it is.
  const whole = compilePattern(pieces);
  return (arn, context) => beginnings(arn) !== undefined && whole(arn, 0, context);
}
