import assert from 'node:assert/strict';
import { canonicalPath, percentEncode } from '../../src/access/percent.ts';
import { Query } from '../../src/access/query.ts';
import { parseTarget, type Target as RequestTarget } from '../../src/access/target.ts';
import { StoreError } from '../../src/errors.ts';
import type { Target } from '../target.ts';

/* A request target, behind a line with the Host header. However the path is escaped, signature and handlers see one bucket and key. */

const domains = ['store.example', 's3.store.example'];

function parse(url: string, host: string): RequestTarget | undefined {
  try {
    return parseTarget(url, host, domains);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'InvalidURI') return undefined;
    throw error;
  }
}

export const target: Target = {
  name: 'target',
  maximum: 1024,
  words: [
    '/',
    '//',
    '/..',
    '%2F',
    '%2f',
    '%00',
    '%25',
    '%c3%a9',
    '\xc3\xa9',
    '%ff',
    '%',
    '+',
    '?',
    '&',
    '=',
    '#',
    'http://store.example/',
    '.store.example',
    ':80',
    '[::1]',
    'bucket',
    '\n',
  ],
  check(input) {
    const text = input.toString('latin1');
    const end = text.indexOf('\n');
    const host = text.slice(0, Math.max(end, 0));
    const url = text.slice(end + 1);
    const found = parse(url, host);
    if (!found) return;
    const { bucket, key, rawPath, rawQuery, query } = found;
    assert.ok(bucket === undefined ? key.length === 0 : bucket !== '');
    assert.ok(rawQuery === '' || url.endsWith(`?${rawQuery}`));

    const path = canonicalPath(rawPath);
    assert.equal(canonicalPath(path), path, 'the canonical path has another canonical path');
    const again = parse(rawPath === '' ? '/' : path, host);
    assert.deepEqual([again?.bucket, again?.key], [bucket, key], 'what is signed leads elsewhere');

    const canonical = query.canonical();
    assert.equal(new Query(canonical).canonical(), canonical, 'the canonical query has another canonical query');
    const pairs = new Query(canonical).pairs.map((pair) => pair.map(percentEncode).join('='));
    assert.deepEqual(pairs.sort(), query.pairs.map((pair) => pair.map(percentEncode).join('=')).sort());
  },
};
