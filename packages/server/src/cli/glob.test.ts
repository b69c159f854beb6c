import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parseBucket, parseObject, parseRemote } from './address.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTable, parseCount, parseDuration, parsePair, parseSize, printable } from './format.ts';
import { filterOf, hasWildcard, literalPrefix, patternToRegExp, unescapePattern } from './glob.ts';
import { pathBelow } from './local.ts';
import { selectionOf } from './remote.ts';
import { parseFlags } from './server.ts';

test('wildcards', () => {
  const matches = (pattern: string, text: string) => patternToRegExp(pattern).test(text);
  const yes = [
    ['*.jpg', 'a.jpg'],
    ['a?c', 'abc'],
    ['a/**', 'a/b/c'],
    ['**/x', 'x'],
    ['**/x', 'a/b/x'],
    ['a/**/x', 'a/x'],
    ['a\\*b', 'a*b'],
    ['?', '😀'],
    ['(a|b)[c]', '(a|b)[c]'],
    ['a.b', 'a.b'],
    ['*', ''],
  ];
  const no = [
    ['*.jpg', 'd/a.jpg'],
    ['a?c', 'a/c'],
    ['a/**', 'b/a/c'],
    ['a\\*b', 'axb'],
    ['a.b', 'axb'],
    ['**/x', 'ax'],
  ];
  for (const [pattern, text] of yes) assert.ok(matches(pattern!, text!), `${pattern} should match ${text}`);
  for (const [pattern, text] of no) assert.ok(!matches(pattern!, text!), `${pattern} should not match ${text}`);
  assert.ok(hasWildcard('a*') && hasWildcard('\\\\*') && !hasWildcard('a\\*') && !hasWildcard('plain'));
  assert.equal(literalPrefix('a/b\\*c*d'), 'a/b*c');
  assert.equal(unescapePattern('a\\*b\\\\c\\d'), 'a*b\\c\\d');
});

test('filters: the last rule that matches decides', () => {
  const only = filterOf([{ include: true, pattern: '*.jpg' }]);
  assert.ok(only('d/a.jpg') && !only('a.png'));
  const rules = filterOf([
    { include: false, pattern: 'node_modules/**' },
    { include: false, pattern: '*.tmp' },
    { include: true, pattern: 'keep.tmp' },
  ]);
  assert.ok(
    rules('a') && rules('d/keep.tmp') && !rules('d/x.tmp') && !rules('node_modules/a/b') && rules('d/node_modules/a'),
  );
  assert.throws(() => filterOf([{ include: true, pattern: '' }]), UsageError);
});

test('what an address stands for', () => {
  assert.deepEqual(parseAddress('s3://b/k/x'), { kind: 'remote', profile: undefined, bucket: 'b', key: 'k/x' });
  assert.deepEqual(parseAddress('dsom://home@b'), { kind: 'remote', profile: 'home', bucket: 'b', key: '' });
  assert.deepEqual(parseAddress('b/k'), { kind: 'local', path: 'b/k' });
  assert.deepEqual(parseAddress('-'), { kind: 'pipe' });
  assert.deepEqual(parseRemote('b/k@x'), { kind: 'remote', profile: undefined, bucket: 'b', key: 'k@x' });
  assert.deepEqual(parseRemote('s3://').bucket, '');
  assert.equal(parseBucket('s3://b/').bucket, 'b');
  for (const bad of [
    () => parseBucket('s3://b/k'),
    () => parseObject('s3://b'),
    () => parseRemote('./x'),
    () => parseRemote('/x'),
    () => parseAddress(''),
    () => parseAddress('s3:///k'),
  ])
    assert.throws(bad, UsageError);
});

test('which keys an address selects, and their names below it', () => {
  const select = (key: string, below: boolean, keys: readonly string[]) => {
    const { prefix, base, matches } = selectionOf(key, below);
    return keys.filter((one) => one.startsWith(prefix) && matches(one)).map((one) => one.slice(base));
  };
  const keys = ['a', 'a/1', 'a/b/2', 'ab/3', 'c'];
  assert.deepEqual(select('a', true, keys), ['1', 'b/2']);
  assert.deepEqual(select('', true, keys), keys);
  assert.deepEqual(select('a*', false, keys), ['a']);
  assert.deepEqual(select('a*', true, keys), ['a', 'a/1', 'a/b/2', 'ab/3']);
  assert.deepEqual(select('a/**', false, keys), ['1', 'b/2']);
});

test('sizes, durations, counts, pairs', () => {
  assert.deepEqual(
    [parseSize('10'), parseSize('1.5k'), parseSize('64MiB'), parseSize('2 GB')],
    [10, 1536, 64 * 1024 ** 2, 2 * 1024 ** 3],
  );
  assert.deepEqual([parseDuration('90'), parseDuration('1h30m'), parseDuration('7d')], [90, 5400, 604_800]);
  assert.deepEqual(
    [formatSize(0), formatSize(1023), formatSize(1536), formatSize(10 * 1024 ** 2), formatSize(300 * 1024 ** 3)],
    ['0 B', '1023 B', '1.50 KiB', '10.0 MiB', '300 GiB'],
  );
  assert.deepEqual(parsePair('a=b=c'), ['a', 'b=c']);
  for (const bad of [
    () => parseSize('many'),
    () => parseDuration('1y'),
    () => parseDuration(''),
    () => parseCount('0'),
    () => parseCount('1.5'),
    () => parsePair('=x'),
  ])
    assert.throws(bad, UsageError);
  assert.deepEqual(
    formatTable([
      ['a', 'bbb'],
      ['cc', 'd'],
    ]),
    ['a   bbb', 'cc  d'],
  );
  assert.equal(printable('a\u001b[31mb\nc'), 'a\\x1b[31mb\\x0ac');
});

test('a key never leads out of the folder', () => {
  assert.equal(pathBelow('/t', 'a/b.c'), '/t/a/b.c');
  for (const key of ['../x', 'a/../../x', '/etc/passwd', 'a//b', './a', 'a/', 'a\0b', '..'])
    assert.throws(() => pathBelow('/t', key), /cannot be a file name/);
});

test('flags of the server', () => {
  assert.deepEqual(parseFlags(['--data', 'a', '--data=b', '--metrics-public', '--scrub-days', '7', '--x=']), {
    data: ['a', 'b'],
    metricsPublic: true,
    scrubDays: '7',
    x: '',
  });
  assert.deepEqual(parseFlags(['--flag', '--data', 'd']), { flag: true, data: 'd' });
  for (const bad of [['data'], ['-d', 'x'], ['--data', 'a', 'b'], ['--data', 'a', '--data']])
    assert.equal(typeof parseFlags(bad), 'string');
});
