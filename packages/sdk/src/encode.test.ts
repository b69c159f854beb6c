import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareEtag, decodeHeader, encodeHeader, encodeKey, encodeText, quoteEtag } from './encode.ts';
import { DsomError } from './error.ts';
import { compareKeys } from './listing.ts';
import { elements, escapeXml, textOf } from './xml.ts';

test('text keeps only unreserved characters', () => {
  assert.equal(encodeText("aZ0-_.~ /!'()*+ü€😀"), 'aZ0-_.~%20%2F%21%27%28%29%2A%2B%C3%BC%E2%82%AC%F0%9F%98%80');
  assert.throws(() => encodeText('\ud800'), DsomError);
});

test('a key reaches the server whatever URL parsers do to paths', () => {
  const keys = [
    'a/b',
    'a//b',
    '/a',
    'a/',
    '//',
    'a/../b',
    './a',
    '../x',
    'a/.',
    '...',
    '.hidden/x',
    'a b?c#d%2F',
    'ü/ä',
    '?',
    'a;b=c&d',
  ];
  for (const key of keys) {
    const url = new URL(`http://h/bucket/${encodeKey(key)}`);
    assert.equal(decodeURIComponent(url.pathname.slice('/bucket/'.length)), key);
    assert.equal(url.search, '');
  }
  for (const key of ['', '.', '..']) assert.throws(() => encodeKey(key), /cannot be part of a URL/);
});

test('header values of any text survive', () => {
  for (const value of ['plain', '', 'Grüße €', ' spaced ', '=?UTF-8?B?eA==?=', 'line\nbreak', '😀'.repeat(40)]) {
    const sent = encodeHeader(value);
    assert.match(sent, /^[\x20-\x7e]*$/);
    assert.equal(decodeHeader(sent), value);
  }
  assert.equal(decodeHeader('=?utf-8?Q?a_=C3=BC?= =?utf-8?q?b?='), 'a üb');
  assert.equal(decodeHeader('=?latin1?Q?x?='), '=?latin1?Q?x?=');
});

test('ETags', () => {
  assert.equal(quoteEtag('abc'), '"abc"');
  assert.equal(quoteEtag('"abc"'), '"abc"');
  assert.equal(quoteEtag('*'), '*');
  assert.equal(bareEtag('W/"abc"'), 'abc');
});

test('XML in small', () => {
  const xml = '<?xml version="1.0"?><T xmlns="x"><A k="v">1 &lt;&#x263a;&amp;</A><A></A><AB>no</AB></T>';
  assert.deepEqual(elements(xml, 'A'), ['1 &lt;&#x263a;&amp;', '']);
  assert.equal(textOf(xml, 'A'), '1 <☺&');
  assert.equal(textOf(xml, 'Missing'), undefined);
  assert.equal(textOf(`<A>${escapeXml(`<"&'>`)}</A>`, 'A'), `<"&'>`);
});

test('keys are in the order of their UTF-8 bytes', () => {
  const keys = ['a', 'a/', 'a/b', 'aa', 'b', '\ue000', '\uffff', '😀', '𐀀', 'ü', ''];
  const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual([...keys].sort(compareKeys), byBytes);
});
