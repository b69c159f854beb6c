import assert from 'node:assert/strict';
import { meaning, originals, urlOf } from '../../src/access/fuzz.support.ts';
import { bench, request } from '../../src/access/signer.support.ts';
import type { Authenticated, SignedRequest } from '../../src/access/types.ts';
import { StoreError } from '../../src/errors.ts';
import type { Target } from '../target.ts';

/*
 * A request as text: method and URL, then its headers, one a line. What is accepted means what one of the signed requests meant.
 */

const { authenticator } = bench();
const meanings = new Set(originals.map(meaning));

function textOf({ method, headers, ...target }: SignedRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  return [`${method} ${urlOf(target)}`, ...lines].join('\n');
}

/** As node:http gives it: names in lower case, the first host and authorization, other repeated headers joined. */
function parsed(input: Buffer): SignedRequest {
  const [first = '', ...lines] = input.toString('latin1').split('\n');
  const space = first.indexOf(' ');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).replace(/^ /, '');
    const known = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (known === undefined) headers[name] = value;
    else if (name !== 'host' && name !== 'authorization') headers[name] = `${known}, ${value}`;
  }
  return request(first.slice(0, space), first.slice(space + 1), headers);
}

function refused(error: unknown): void {
  assert.ok(error instanceof StoreError, `not a StoreError: ${error instanceof Error ? error.stack : String(error)}`);
  assert.ok(error.http >= 400 && error.http < 500, error.code);
}

export const target: Target = {
  name: 'signature',
  maximum: 4096,
  words: [
    'x-amz-acl: public-read',
    'x-amz-date',
    'x-amz-content-sha256',
    'UNSIGNED-PAYLOAD',
    'authorization: ',
    'AWS4-HMAC-SHA256',
    'Credential=',
    'SignedHeaders=',
    ';host',
    'Signature=',
    'X-Amz-Signature=',
    'X-Amz-Expires=',
    'X-Amz-Date=20130524T000000Z',
    '%2F',
    '%2f',
    '%2e%2e',
    '%00',
    '..',
    '//',
    '?',
    '&',
    '+',
    '\n',
    '\t',
    '  ',
    '\xa0',
  ],
  seeds: () => originals.map((original) => Buffer.from(textOf(original), 'latin1')),
  check(input) {
    let answer: Authenticated | Promise<Authenticated>;
    let asked: SignedRequest;
    try {
      asked = parsed(input);
      answer = authenticator.authenticate(asked, ['header', 'query']);
    } catch (error) {
      refused(error);
      return;
    }
    const same = (): void => assert.ok(meanings.has(meaning(asked)), 'a changed request was accepted');
    if (answer instanceof Promise) return answer.then(same, refused);
    return same();
  },
};
