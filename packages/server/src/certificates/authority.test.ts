import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import { nodeOf } from '../transport/index.ts';
import { integer, objectId, time } from './der.ts';
import {
  authorityHash,
  createAuthority,
  decodeAuthority,
  encodeAuthority,
  issueCertificate,
  issueMachineCertificate,
  newKey,
  publicDer,
} from './index.ts';

const host = manualHost();
const authority = createAuthority(host);
const root = new X509Certificate(authority.certificate);
const day = 24 * 3600 * 1000;

function issue(node: string, validMs?: number) {
  const key = newKey(host);
  const form = { node, publicKey: publicDer(key), ...(validMs !== undefined && { validMs }) };
  return { key, certificate: new X509Certificate(issueCertificate(host, authority, form)) };
}

describe('authority', () => {
  it('signs itself, for signing only, and is like no other', () => {
    assert.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey));
    assert.ok(root.checkPrivateKey(authority.key));
    assert.equal(root.subjectAltName, undefined);
    assert.ok(root.validToDate.getTime() > host.clock.now() + 9 * 365 * day);
    const other = new X509Certificate(createAuthority(host).certificate);
    assert.notEqual(other.subject, root.subject);
    assert.ok(!root.checkIssued(other) && !root.verify(other.publicKey));
  });

  it('issues certificates that name one node and are no authority', () => {
    const { key, certificate } = issue('node-1.a_B');
    assert.equal(certificate.subjectAltName, 'URI:dsom-node:node-1.a_B');
    assert.equal(nodeOf(certificate.subjectAltName), 'node-1.a_B');
    assert.equal(certificate.subject, 'CN=node-1.a_B');
    assert.ok(!certificate.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey));
    assert.ok(certificate.checkPrivateKey(key));
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  it('lets them begin a little early and end when it is told, but not after itself', () => {
    const second = (milliseconds: number) => Math.floor(milliseconds / 1000) * 1000;
    const now = host.clock.now();
    const usual = issue('n').certificate;
    assert.equal(usual.validFromDate.getTime(), second(now - limits.certificateEarlyMs));
    assert.equal(usual.validToDate.getTime(), second(now + limits.certificateValidMs));
    assert.equal(issue('n', 5000).certificate.validToDate.getTime(), second(now + 5000));
    assert.equal(issue('n', 1e14).certificate.validToDate.getTime(), root.validToDate.getTime());
  });

  it('issues certificates for machines, which name no node', () => {
    for (const [machine, name] of [
      ['10.1.2.3', 'IP Address:10.1.2.3'],
      ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
      ['fe80::12:0:3', 'IP Address:FE80:0:0:0:0:12:0:3'],
      ['::ffff:1.2.3.4', 'IP Address:0:0:0:0:0:FFFF:102:304'],
      ['etcd-1.example', 'DNS:etcd-1.example'],
    ] as const) {
      const form = { machine, publicKey: publicDer(newKey(host)) };
      const certificate = new X509Certificate(issueMachineCertificate(host, authority, form));
      assert.equal(certificate.subjectAltName, name);
      assert.equal(nodeOf(certificate.subjectAltName), undefined);
      assert.ok(!certificate.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey));
      assert.ok(isIP(machine) ? certificate.checkIP(machine) : certificate.checkHost(machine));
    }
    const publicKey = publicDer(newKey(host));
    for (const machine of ['', 'a b', 'dsom-node:a', 'ä'])
      assert.throws(() => issueMachineCertificate(host, authority, { machine, publicKey }), InvariantError);
  });

  it('gives every certificate a serial number of its own', () => {
    const serials = new Set(Array.from({ length: 50 }, () => issue('n').certificate.serialNumber));
    assert.equal(serials.size, 50);
  });

  it('issues nothing for names and keys that are none', () => {
    for (const node of ['', '.a', 'a b', 'a,URI:dsom-node:b', 'a\n', 'ä', 'x'.repeat(65)])
      assert.throws(() => issue(node), InvariantError, JSON.stringify(node));
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = publicKey.export({ format: 'der', type: 'spki' });
    assert.throws(() => issueCertificate(host, authority, { node: 'n', publicKey: der }), InvariantError);
  });

  it('comes back from its bytes, and from no others', () => {
    const bytes = encodeAuthority(authority);
    const back = decodeAuthority(bytes);
    assert.equal(back.certificate, authority.certificate);
    assert.ok(createPublicKey(back.key).equals(createPublicKey(authority.key)));
    assert.deepEqual(authorityHash(back.certificate), authorityHash(authority.certificate));
    for (let length = 0; length < bytes.length; length += 7)
      assert.throws(() => decodeAuthority(bytes.subarray(0, length)), CorruptionError);
    const mixed = encodeAuthority({ certificate: authority.certificate, key: newKey(host) });
    assert.throws(() => decodeAuthority(mixed), CorruptionError);
    const { certificate, key } = issue('n');
    assert.throws(
      () => decodeAuthority(encodeAuthority({ certificate: certificate.toString(), key })),
      CorruptionError,
    );
  });

  it('takes its keys from the entropy of the host', () => {
    const same = [newKey(manualHost(7)), newKey(manualHost(7))].map((key) => publicDer(key).toString('hex'));
    assert.equal(same[0], same[1]);
    assert.equal(createPrivateKey(newKey(host).export({ format: 'pem', type: 'pkcs8' })).asymmetricKeyType, 'ed25519');
  });
});

describe('names of nodes', () => {
  it('are read from exactly one subject alternative name', () => {
    for (const text of [
      undefined,
      '',
      'DNS:dsom-node:a',
      'URI:dsom-node:',
      'URI:dsom-node:a, URI:dsom-node:b',
      'URI:dsom-node:a, DNS:b',
      'DNS:b, URI:dsom-node:a',
      'URI:dsom-node:a\n',
      ' URI:dsom-node:a',
      'URI:"dsom-node:a"',
      'URI:other:a',
    ])
      assert.equal(nodeOf(text), undefined, String(text));
  });
});

describe('der', () => {
  it('writes numbers, ids and times as OpenSSL reads them', () => {
    const hex = (bytes: Buffer) => bytes.toString('hex');
    assert.equal(hex(integer(Buffer.from([0]))), '020100');
    assert.equal(hex(integer(Buffer.from([0, 0, 0x7f]))), '02017f');
    assert.equal(hex(integer(Buffer.from([0x80]))), '02020080');
    assert.equal(hex(objectId('1.2.840.113549')), '06062a864886f70d');
    assert.equal(String(time(Date.UTC(2049, 11, 31, 23, 59, 59)).subarray(2)), '491231235959Z');
    assert.equal(String(time(Date.UTC(2050, 0, 1)).subarray(2)), '20500101000000Z');
  });

  it('carries any time into a certificate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), (days) => {
        const at = manualHost(1, days * day);
        const now = createAuthority(at);
        const key = newKey(at);
        const text = issueCertificate(at, now, { node: 'n', publicKey: publicDer(key), validMs: day });
        assert.equal(new X509Certificate(text).validToDate.getTime(), (days + 1) * day);
      }),
      { numRuns: 50 },
    );
  });
});
