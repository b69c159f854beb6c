import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { parseTarget } from './index.ts';
import { canonicalPath } from './percent.ts';

const parse = (url: string, host = 'store.example', bases: readonly string[] = []) => {
  const { bucket, key } = parseTarget(url, host, bases);
  return [bucket, key.toString('utf8')];
};
/** Text out of the characters that matter here: fast to make, and likely to hit. */
const awkward = fc.string({ unit: fc.constantFrom(...Array.from('aZ9-_.~ +&=%/;?\0*(ä\u{1f600}')), maxLength: 12 });
const refused = (url: string, host = 'store.example', bases: readonly string[] = []) =>
  assert.throws(() => parseTarget(url, host, bases), { code: 'InvalidURI' }, url);

describe('path style', () => {
  it('splits at the first slash behind the bucket and keeps the rest as data', () => {
    assert.deepEqual(parse('/'), [undefined, '']);
    assert.deepEqual(parse('/?list'), [undefined, '']);
    assert.deepEqual(parse('/b'), ['b', '']);
    assert.deepEqual(parse('/b/'), ['b', '']);
    assert.deepEqual(parse('/b/k'), ['b', 'k']);
    assert.deepEqual(parse('/b//k'), ['b', '/k']);
    assert.deepEqual(parse('/b/a/../../k/.'), ['b', 'a/../../k/.']);
    assert.deepEqual(parse('/b/..%2f..%2Fk'), ['b', '../../k']);
    assert.deepEqual(parse('/b/%252e%252e'), ['b', '%2e%2e']);
    assert.deepEqual(parse('/b/a+b%20c%5C%00'), ['b', 'a+b c\\\0']);
    assert.deepEqual(parse('/-/v1/buckets'), ['-', 'v1/buckets']);
    assert.deepEqual(parse('/b/%C3%A4'), ['b', 'ä']);
    assert.deepEqual(parse(`/b/${Buffer.from('ä').toString('latin1')}`), ['b', 'ä']);
    assert.deepEqual(parse('/b/k?a=/c/d?e'), ['b', 'k']);
  });

  it('refuses what cannot be decoded to UTF-8', () => {
    for (const bad of [
      '%',
      '%4',
      '%zz',
      '%-1',
      '%ff',
      '%C3',
      '%C0%AF',
      '%E0%80%80',
      '%ED%A0%80',
      '%F8%88%80%80%80',
      '\xff',
    ]) {
      refused(`/b/${bad}`);
      refused(`/${bad}`);
      refused(`/b/k?${bad}`);
      refused(`/b/k?a=${bad}`);
    }
  });

  it('refuses an escaped slash in the name of the bucket: it is signed like the slash that ends it', () => {
    for (const url of ['/b%2Fk', '/b%2fk/c', '/%2F/k', '/-%2Fv1/buckets']) {
      refused(url);
      assert.equal(canonicalPath(url), canonicalPath(url.replace(/%2f/i, '/')));
    }
  });

  it('refuses targets of another form', () => {
    for (const url of [
      '',
      '*',
      'b/k',
      '//',
      '//k',
      'ftp://store.example/b',
      'store.example:443',
      '/b#k',
      '/b/a b',
      '/b/a\tb',
      '/b\x7f',
    ])
      refused(url);
  });

  it('takes the absolute form only for the host it is sent to', () => {
    assert.deepEqual(parse('http://store.example/b/k'), ['b', 'k']);
    assert.deepEqual(parse('HTTP://Store.Example/b/k'), ['b', 'k']);
    assert.deepEqual(parse('http://store.example'), [undefined, '']);
    assert.deepEqual(parse('http://store.example?a=b'), [undefined, '']);
    assert.equal(parseTarget('http://store.example/b/k?x=1', 'store.example', []).rawPath, '/b/k');
    refused('http://other.example/b/k');
    refused('http://user@store.example/b/k');
    assert.throws(() => parseTarget('http:///b', undefined, []), { code: 'InvalidURI' });
  });
});

describe('virtual-host style', () => {
  const bases = ['s3.example', 'eu.s3.example'];
  it('takes the bucket from below the longest base domain', () => {
    assert.deepEqual(parse('/k/l', 'b.s3.example', bases), ['b', 'k/l']);
    assert.deepEqual(parse('/', 'B.S3.Example:9000', bases), ['b', '']);
    assert.deepEqual(parse('//k', 'b.s3.example', bases), ['b', '/k']);
    assert.deepEqual(parse('/k', 'b.eu.s3.example', bases), ['b', 'k']);
    assert.deepEqual(parse('/k', 'a.b.s3.example', bases), ['a.b', 'k']);
    assert.deepEqual(parse('/b/k', 's3.example', bases), ['b', 'k']);
    assert.deepEqual(parse('/b/k', 'eu.s3.example:1', bases), ['b', 'k']);
  });

  it('does not take other hosts for buckets', () => {
    for (const host of ['xs3.example', '.s3.example', 's3.example.evil', '127.0.0.1:9000', '[::1]:9000', '[::1]', '']) {
      assert.deepEqual(parse('/b/k', host, bases), ['b', 'k'], host);
    }
    assert.equal(parseTarget('/b/k', undefined, bases).bucket, 'b');
  });
});

describe('queries', () => {
  const query = (raw: string) => parseTarget(`/?${raw}`, 'h', []).query;
  it('keep every parameter, in order, and tell repeats', () => {
    assert.deepEqual(query('a&b=&c=d=e&a=%26&&+%2B=%20+').pairs, [
      ['a', ''],
      ['b', ''],
      ['c', 'd=e'],
      ['a', '&'],
      [' +', '  '],
    ]);
    assert.equal(query('a=1&b=2').repeated, undefined);
    assert.equal(query('a=1&b=2&%61=3').repeated, 'a');
    assert.equal(query('a=1&A=2').repeated, undefined);
    assert.equal(query('a=1&a=2').get('a'), '1');
    assert.equal(query('').has('a'), false);
    assert.equal(query('__proto__=1').get('constructor'), undefined);
    assert.deepEqual(query('a;b=1').pairs, [['a;b', '1']]);
  });

  it('have one canonical form, sorted by name and then value', () => {
    assert.equal(query('b&a=2&a=1&a-=3&B=%c3%a4&x=+').canonical(), 'B=%C3%A4&a=1&a=2&a-=3&b=&x=%20');
    fc.assert(
      fc.property(fc.array(fc.tuple(awkward, awkward), { maxLength: 6 }), (pairs) => {
        const raw = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
        const parsed = query(raw);
        assert.deepEqual(parsed.pairs, pairs);
        assert.deepEqual(query(parsed.canonical()).canonical(), parsed.canonical());
      }),
    );
  });
});

describe('canonical paths', () => {
  it('are the same for every way to write the same bytes', () => {
    assert.equal(canonicalPath('/a/B-_.~9'), '/a/B-_.~9');
    assert.equal(canonicalPath("/%61/'(%2f)*"), '/a/%27%28/%29%2A');
    fc.assert(
      fc.property(awkward, fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), (key, choice) => {
        const bytes = [...Buffer.from(key)];
        const all = bytes.map((byte) => `%${byte.toString(16).padStart(2, '0')}`);
        const some = all.map((form, i) =>
          /[A-Za-z0-9]/.test(String.fromCharCode(bytes[i]!)) && choice[i % choice.length]
            ? String.fromCharCode(bytes[i]!)
            : form,
        );
        assert.equal(canonicalPath(`/b/${all.join('')}`), canonicalPath(`/b/${some.join('')}`));
        assert.deepEqual(parseTarget(`/b/${all.join('')}`, 'h', []).key, Buffer.from(key));
      }),
    );
  });

  it('any text gives a target or InvalidURI, nothing else', () => {
    fc.assert(
      fc.property(fc.array(awkward, { maxLength: 5 }), fc.boolean(), (pieces, slash) => {
        const text = pieces.join('');
        try {
          const target = parseTarget(slash ? `/${text}` : text, 'h', ['example']);
          assert.ok(target.bucket !== '' && Buffer.isBuffer(target.key));
        } catch (error) {
          assert.ok(error instanceof StoreError && error.code === 'InvalidURI');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
