import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { memoryVolume, type Volume } from '../device/index.ts';
import { type Host, manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import {
  type Authority,
  createAuthority,
  IdentityError,
  type Issued,
  issueCertificate,
  loadIdentity,
  type NodeIdentity,
  newKey,
  openCredentials,
  publicDer,
  storeIdentity,
} from './index.ts';

const day = 24 * 3600 * 1000;

function identityOf(host: Host, authority: Authority, node = 'n1'): NodeIdentity {
  const key = newKey(host);
  const certificate = issueCertificate(host, authority, { node, publicKey: publicDer(key) });
  return { node, key, certificate, authorities: [authority.certificate] };
}

const turns = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

describe('identity of a node', () => {
  it('is kept, and read back as it was', async () => {
    const host = manualHost();
    const identity = identityOf(host, createAuthority(host));
    const volume = memoryVolume();
    assert.equal(await loadIdentity(volume), undefined);
    await storeIdentity(volume, identity);
    const back = await loadIdentity(volume);
    assert.ok(back?.key.equals(identity.key));
    assert.deepEqual({ ...back, key: 0 }, { ...identity, key: 0 });
  });

  it('is not kept when its parts do not belong together', async () => {
    const host = manualHost();
    const authority = createAuthority(host);
    const identity = identityOf(host, authority);
    const wrong: Partial<NodeIdentity>[] = [
      { node: 'n2' },
      { key: newKey(host) },
      { authorities: [] },
      { authorities: [createAuthority(host).certificate] },
      { certificate: authority.certificate },
      { authorities: Array(limits.authorities + 1).fill(authority.certificate) },
    ];
    for (const part of wrong) {
      const volume = memoryVolume();
      await assert.rejects(storeIdentity(volume, { ...identity, ...part }), IdentityError, Object.keys(part)[0]);
      assert.deepEqual(await volume.list(), []);
    }
  });

  it('is refused when a byte of its file is another, or missing', async () => {
    const host = manualHost();
    const volume = memoryVolume();
    await storeIdentity(volume, identityOf(host, createAuthority(host)));
    const file = await volume.open('node', 'existing');
    const bytes = Buffer.alloc(await file.size());
    await file.read(bytes, 0);
    for (let i = 0; i < bytes.length; i += 5) {
      await file.write([Buffer.from([(bytes[i] as number) ^ 0x41])], i);
      await assert.rejects(loadIdentity(volume), IdentityError, `byte ${i}`);
      await file.write([bytes.subarray(i, i + 1)], i);
    }
    for (const length of [0, 3, 8, bytes.length - 1]) {
      await file.truncate(length);
      await assert.rejects(loadIdentity(volume), IdentityError, `length ${length}`);
    }
  });

  it('is the old or the new one after a crash', async () => {
    const host = manualHost();
    const authority = createAuthority(host);
    const [first, second] = [identityOf(host, authority), identityOf(host, authority)];
    for (let seed = 0; seed < 60; seed++) {
      const volume = memoryVolume();
      await storeIdentity(volume, first);
      const storing = storeIdentity(volume, second).catch(() => {});
      for (let i = 0; i < seed % 12; i++) await Promise.resolve();
      const after = await loadIdentity(volume.crash(seed));
      await storing;
      assert.ok([first.certificate, second.certificate].includes(after?.certificate ?? ''), `seed ${seed}`);
    }
  });
});

describe('credentials of a node', () => {
  function rig(volume: Volume = memoryVolume()) {
    const host = manualHost();
    const authority = createAuthority(host);
    const identity = identityOf(host, authority);
    const errors: unknown[] = [];
    const asked: Buffer[] = [];
    let answer: (publicKey: Buffer) => Promise<Issued> = async (publicKey) => ({
      certificate: issueCertificate(host, authority, { node: 'n1', publicKey }),
      authorities: [authority.certificate],
    });
    const credentials = openCredentials({
      identity,
      volume,
      host,
      renew: (publicKey) => {
        asked.push(publicKey);
        return answer(publicKey);
      },
      onError: (cause) => errors.push(cause),
    });
    const answers = (next: typeof answer) => (answer = next);
    return { host, authority, identity, credentials, volume, errors, asked, answers };
  }
  const endOf = (certificate: string) => new X509Certificate(certificate).validToDate.getTime();

  it('are renewed after two thirds of their life, with a new key, and kept', async () => {
    const { host, identity, credentials, volume, asked, errors } = rig();
    host.advance(19 * day);
    await turns();
    assert.equal(asked.length, 0);
    assert.equal(credentials.current().certificate, identity.certificate);
    host.advance(2 * day);
    await turns();
    assert.equal(asked.length, 1);
    const renewed = credentials.current();
    assert.notEqual(renewed.certificate, identity.certificate);
    assert.ok(endOf(renewed.certificate) > endOf(identity.certificate) + 15 * day);
    assert.ok(!publicDer(identity.key).equals(asked[0] as Buffer));
    assert.equal((await loadIdentity(volume))?.certificate, renewed.certificate);
    assert.deepEqual(errors, []);
    host.advance(5 * day);
    await turns();
    assert.equal(asked.length, 1, 'renewed again too early');
    credentials.close();
  });

  it('stay as they are when nobody renews them, and are tried again', async () => {
    const { host, identity, credentials, errors, answers, authority } = rig();
    answers(async () => {
      throw new Error('the holder is away');
    });
    host.advance(20 * day + 3 * limits.certificateCheckMs);
    await turns();
    host.advance(limits.certificateCheckMs);
    await turns();
    assert.ok(errors.length >= 2, `${errors.length} tries`);
    assert.equal(credentials.current().certificate, identity.certificate);
    answers(async (publicKey) => ({
      certificate: issueCertificate(host, authority, { node: 'n1', publicKey }),
      authorities: [authority.certificate],
    }));
    host.advance(limits.certificateCheckMs);
    await turns();
    assert.notEqual(credentials.current().certificate, identity.certificate);
  });

  it('take no certificate that is not theirs', async () => {
    const { host, authority, identity, credentials, answers } = rig();
    const wrong: ((publicKey: Buffer) => Issued)[] = [
      (publicKey) => ({
        certificate: issueCertificate(host, authority, { node: 'n2', publicKey }),
        authorities: [authority.certificate],
      }),
      () => ({ certificate: identity.certificate, authorities: [authority.certificate] }),
      (publicKey) => ({
        certificate: issueCertificate(host, createAuthority(host), { node: 'n1', publicKey }),
        authorities: [authority.certificate],
      }),
    ];
    for (const issued of wrong) {
      answers(async (publicKey) => issued(publicKey));
      await assert.rejects(credentials.renewNow(), IdentityError);
      assert.equal(credentials.current().certificate, identity.certificate);
    }
  });

  it('go over to a new authority without a moment in which the old one is not trusted', async () => {
    const { host, authority, identity, credentials, volume, answers } = rig();
    const next = createAuthority(host);
    await credentials.trust([next.certificate, authority.certificate]);
    assert.equal(credentials.current().certificate, identity.certificate);
    await assert.rejects(credentials.trust([next.certificate]), IdentityError);
    answers(async (publicKey) => ({
      certificate: issueCertificate(host, next, { node: 'n1', publicKey }),
      authorities: [next.certificate, authority.certificate],
    }));
    await credentials.renewNow();
    const current = new X509Certificate(credentials.current().certificate);
    assert.ok(current.verify(new X509Certificate(next.certificate).publicKey));
    await credentials.trust([next.certificate]);
    assert.deepEqual((await loadIdentity(volume))?.authorities, [next.certificate]);
  });
});
