import type { ErrorCode } from '../../errors.ts';
import type { Send } from './harness.support.ts';

/* What a cell of the table of bad input says, and the two refusals that every signed request has. */

export const kinds = [
  'malformed XML',
  'missing header',
  'wrong type',
  'unknown element',
  'too long',
  'wrong state',
] as const;
export type Kind = (typeof kinds)[number];

/** A request, and its refusal. What is left out is as in a right request of the operation. */
export interface Refused {
  /** Instead of the operation's: `METHOD /path?query`; `{upload}` is an upload that is there. */
  readonly line?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly as?: Send['as'];
  readonly status: number;
  readonly code: ErrorCode;
  /** Beside the words that AWS has for the code. */
  readonly message?: RegExp;
}

/** What is sent, or why nothing of the kind can be. */
export type Cell = readonly Refused[] | string;
export type Row = Readonly<Record<Kind, Cell>>;

export const refused = (status: number, code: ErrorCode, more: Partial<Refused> = {}): Refused => ({
  status,
  code,
  ...more,
});

/** The header that every signed request has, left out or of no known form. */
export const unsigned = refused(400, 'InvalidRequest', {
  as: 'anonymous',
  headers: { 'x-amz-content-sha256': undefined, authorization: '{signature}' },
  message: /^Missing required header for this request: x-amz-content-sha256$/,
});
export const untyped = refused(400, 'InvalidArgument', {
  as: 'anonymous',
  headers: { 'x-amz-content-sha256': 'a digest', authorization: '{signature}' },
  message: /^x-amz-content-sha256 must be UNSIGNED-PAYLOAD/,
});
