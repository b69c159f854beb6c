import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { httpDate, isoDate, parseDate } from './dates.ts';
import { decodeHeader, decodeWords, encodeHeader, encodeWords, isPlain } from './header-text.ts';

describe('dates', () => {
  const moment = Date.UTC(2023, 10, 14, 22, 13, 20);
  it('are written in the forms of HTTP and of S3', () => {
    assert.equal(httpDate(moment + 999), 'Tue, 14 Nov 2023 22:13:20 GMT');
    assert.equal(isoDate(moment + 999), '2023-11-14T22:13:20.000Z');
    assert.equal(isoDate(moment + 1000), '2023-11-14T22:13:21.000Z');
  });

  it('are read in all the forms that clients send', () => {
    for (const text of [
      'Tue, 14 Nov 2023 22:13:20 GMT',
      'tue, 14 nov 2023 22:13:20 gmt',
      'Tuesday, 14-Nov-23 22:13:20 GMT',
      'Tue Nov 14 22:13:20 2023',
      '2023-11-14T22:13:20Z',
      '2023-11-14T22:13:20.000Z',
    ]) {
      assert.equal(parseDate(text), moment, text);
    }
    assert.equal(parseDate('Sun Nov  6 08:49:37 1994'), Date.UTC(1994, 10, 6, 8, 49, 37));
    assert.equal(parseDate('Sunday, 06-Nov-94 08:49:37 GMT'), Date.UTC(1994, 10, 6, 8, 49, 37));
    for (const text of [
      '',
      'now',
      '0',
      '1700000000',
      'Tue, 31 Feb 2023 22:13:20 GMT',
      'Tue, 14 Nov 2023 25:13:20 GMT',
      'Tue, 14 Foo 2023 22:13:20 GMT',
      'Tue, 14 Nov 2023 22:13:20 CET',
    ]) {
      assert.equal(parseDate(text), undefined, text);
    }
  });

  it('come back as they went, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        assert.equal(httpDate(seconds * 1000 + 7), new Date(seconds * 1000).toUTCString());
        assert.equal(parseDate(httpDate(seconds * 1000)), seconds * 1000);
        assert.equal(isoDate(seconds * 1000 + 7), new Date(seconds * 1000).toISOString());
        assert.equal(parseDate(isoDate(seconds * 1000)), seconds * 1000);
      }),
    );
  });
});

describe('text in headers', () => {
  it('is UTF-8 where it can be, else one character per byte', () => {
    assert.equal(decodeHeader(Buffer.from('ключ').toString('latin1')), 'ключ');
    assert.equal(decodeHeader('Hello World\xe9'), 'Hello World\xe9');
  });

  it('comes back through encoded words, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.includes('=?')),
        (text) => {
          const encoded = encodeWords(text);
          assert.ok(isPlain(encoded));
          assert.equal(decodeWords(encoded), text);
        },
      ),
      { numRuns: 500 },
    );
    assert.equal(encodeWords('Hello World\xe9'), '=?UTF-8?Q?Hello_World=C3=A9?=');
    assert.equal(encodeWords('ключ'), '=?UTF-8?B?0LrQu9GO0Yc=?=');
    assert.equal(decodeWords('=?UTF-8?B?0LrQu9GO0Yc=?= =?ISO-8859-1?Q?caf=E9?='), 'ключcafé');
    assert.equal(decodeWords('=?x-unknown?B?AAAA?='), '=?x-unknown?B?AAAA?=');
  });

  it('never holds a control character when it is sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) =>
        assert.match(encodeHeader(text), /^[\t\x20-\x7e\x80-\xff]*$/),
      ),
    );
    assert.equal(encodeHeader('a\r\nSet-Cookie: b'), 'a  Set-Cookie: b');
  });
});
