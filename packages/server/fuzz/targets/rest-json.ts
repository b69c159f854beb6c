import assert from 'node:assert/strict';
import { parseTarget } from '../../src/access/index.ts';
import type { Exchange } from '../../src/api/http/exchange.ts';
import { checked, jsonBody } from '../../src/api/rest/body.ts';
import { routes } from '../../src/api/rest/handler.ts';
import { createMatcher } from '../../src/api/rest/match.ts';
import { StoreError } from '../../src/errors.ts';
import type { Target } from '../target.ts';

/*
 * A call of the native API: a line with method and target, then the body. It finds a route whose query and body fit their schemas, or is
 * refused with an error of the table.
 */

const match = createMatcher(routes);

async function call(input: Buffer): Promise<void> {
  const text = input.toString('latin1');
  const end = text.indexOf('\n');
  const line = text.slice(0, Math.max(0, end));
  const space = line.indexOf(' ');
  const target = parseTarget(line.slice(space + 1), 'h', []);
  const found = match(line.slice(0, space), target.rawPath.slice(3));
  for (const [name, value] of Object.entries(found.path)) {
    assert.ok(found.route.path.includes(`{${name}`) && typeof value === 'string' && value.isWellFormed());
    assert.ok(found.route.path.includes(`{${name}...}`) || !value.includes('/'), 'an escaped slash chose the route');
  }
  checked(found.route.query, Object.fromEntries(target.query.pairs), 'query');
  const { body } = found.route;
  if (typeof body === 'string') return;
  const bytes = input.subarray(end + 1);
  const exchange = {
    request: { headers: {} },
    body: (async function* () {
      yield bytes;
    })(),
  } as unknown as Exchange;
  const value = await jsonBody(exchange, { kind: 'none' }, body);
  assert.equal(typeof value, 'object');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
}

export const target: Target = {
  name: 'rest-json',
  maximum: 2048,
  words: [
    'GET /-/v1/',
    'PUT /-/v1/buckets/',
    '/objects/',
    '/versions',
    '/uploads/',
    '?limit=',
    '?prefix=',
    '&',
    '%2F',
    '%ff',
    '..',
    '{"',
    '"}',
    '":',
    '[',
    ']',
    'null',
    '1e999',
    '-0',
    '"tags":{"__proto__":"polluted"}',
    '"__proto__":{"polluted":1}',
    '"constructor":',
    '\\u0000',
    '\\ud800',
    '"versioning":"enabled"',
    '"redundancy":{"copies":2}',
    '\xc3\xa9',
    '\xff',
  ],
  async check(input) {
    try {
      await call(input);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      assert.ok(error.http >= 400 && error.http < 500, error.code);
    }
  },
};
