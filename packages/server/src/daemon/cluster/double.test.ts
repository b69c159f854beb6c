import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createAuthority, issueCertificate, newKey, privatePem, publicDer } from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import { realHost } from '../../host/index.ts';
import { openTcpTransport, type Serve } from '../../transport/index.ts';
import { ConfigError } from '../config.ts';
import { takeAddress } from './double.ts';
import { readAddress } from './state.ts';

const host = realHost();
const authority = createAuthority(host);
const folder = mkdtempSync(path.join(tmpdir(), 'double-'));
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
});

function transportOf(node: string) {
  const key = newKey(host);
  const certificate = issueCertificate(host, authority, { node, publicKey: publicDer(key) });
  const current = { certificate, privateKey: privatePem(key), authorities: [authority.certificate] };
  const transport = openTcpTransport({ credentials: { current: () => current }, host, onError: () => {} });
  closers.push(() => transport.close());
  return transport;
}

const [me, other] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const transport = transportOf(me);
const take = (address: string) => takeAddress({ folder, node: me, address, transport });

async function listening(node: string, serve: Serve) {
  const listener = await transportOf(node).listen('127.0.0.1:0', serve);
  return listener;
}

test('a node is refused at another address for as long as it answers at the one before', async () => {
  for (const serve of [
    async () => ({ head: Buffer.alloc(0) }),
    // It is only just starting.
    () => Promise.reject(new StoreError('ServiceUnavailable')),
  ] satisfies Serve[]) {
    rmSync(path.join(folder, 'address'), { force: true });
    const listener = await listening(me, serve);
    await take(listener.address);
    await take(listener.address);
    await assert.rejects(take('127.0.0.1:1'), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.ok(error.message.includes(`runs already, at ${listener.address}`));
      return true;
    });
    assert.equal(readAddress(folder), listener.address, 'it is asked there the next time, too');
    await listener.close();
    await take('127.0.0.1:1');
    assert.equal(readAddress(folder), '127.0.0.1:1');
  }
});

test('another node at the address before is none of its business', async () => {
  const listener = await listening(other, async () => ({ head: Buffer.alloc(0) }));
  rmSync(path.join(folder, 'address'), { force: true });
  await take(listener.address);
  await take('127.0.0.1:1');
  assert.equal(readAddress(folder), '127.0.0.1:1');
});
