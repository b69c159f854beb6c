import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { type Connection, connectionOf, TrustedProxies } from './connection.ts';

const proxies = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.1']);

const seen = (from: string | undefined, headers: IncomingHttpHeaders, trusted = proxies): Connection =>
  connectionOf({ socket: { remoteAddress: from }, headers } as IncomingMessage, trusted, 0);

describe('what a request says of the connection behind a proxy', () => {
  it('CVE-2026-21862: counts from proxies that are trusted only', () => {
    const headers = { 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'https' };
    for (const from of ['203.0.113.9', '192.0.2.2', '11.0.0.1', '::ffff:11.0.0.1', 'fc00::1', undefined, 'junk'])
      assert.deepEqual(
        [seen(from, headers).address, seen(from, headers).secure],
        [from, false],
        `from ${from}: ${JSON.stringify(headers)}`,
      );
    assert.deepEqual(seen('10.0.0.1', headers, new TrustedProxies([])).address, '10.0.0.1');
    for (const from of ['10.0.0.1', '::ffff:10.9.9.9', 'fd00::1', '192.0.2.1'])
      assert.deepEqual([seen(from, headers).address, seen(from, headers).secure], ['198.51.100.7', true], from);
  });

  it('is the last address that is no trusted proxy: what stands before it is the word of the client', () => {
    const rows: readonly (readonly [string, string])[] = [
      ['198.51.100.7', '198.51.100.7'],
      ['1.1.1.1, 198.51.100.7', '198.51.100.7'],
      ['10.1.1.1, 198.51.100.7', '198.51.100.7'],
      ['1.1.1.1, 198.51.100.7, 10.0.0.3, fd00::7', '198.51.100.7'],
      ['1.1.1.1,  2001:db8::5 ,192.0.2.1', '2001:db8::5'],
      // All of them are trusted: the first is as far as anybody knows.
      ['10.0.0.9, 10.0.0.3', '10.0.0.9'],
      ['198.51.100.7:4711', '198.51.100.7'],
      ['[2001:db8::5]:4711', '2001:db8::5'],
      ['[2001:db8::5]', '2001:db8::5'],
      // No address: nobody is known to be behind it.
      ['1.1.1.1, unknown', '10.0.0.1'],
      ['1.1.1.1, _hidden, 10.0.0.3', '10.0.0.3'],
      ['1.1.1.1, 010.0.0.1', '10.0.0.1'],
      ['1.1.1.1, ', '10.0.0.1'],
      ['', '10.0.0.1'],
      ['127.0.0.1\u00a0', '10.0.0.1'],
    ];
    for (const [forwarded, address] of rows)
      assert.equal(seen('10.0.0.1', { 'x-forwarded-for': forwarded }).address, address, forwarded);
  });

  it('is encrypted when every proxy says so', () => {
    const rows: readonly (readonly [string, boolean])[] = [
      ['https', true],
      ['HTTPS', true],
      ['https, https', true],
      ['http', false],
      ['https,http', false],
      ['http,https', false],
      ['httpss', false],
      ['wss', false],
      ['https,', false],
      ['', false],
    ];
    for (const [proto, secure] of rows)
      assert.equal(seen('10.0.0.1', { 'x-forwarded-proto': proto }).secure, secure, JSON.stringify(proto));
    assert.equal(seen('10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }).secure, false);
  });

  it('is told by no other header', () => {
    const headers = {
      forwarded: 'for=198.51.100.7;proto=https',
      'x-real-ip': '198.51.100.7',
      'x-forwarded-ssl': 'on',
      'front-end-https': 'on',
      'x-client-cert': 'CN=camera',
      'x-forwarded-client-cert': 'Subject="CN=camera"',
      'ssl-client-verify': 'SUCCESS',
      'ssl-client-s-dn': 'CN=camera',
    };
    assert.deepEqual(seen('10.0.0.1', headers), {
      address: '10.0.0.1',
      secure: false,
      tls: undefined,
      cipher: undefined,
      device: undefined,
    });
  });
});
