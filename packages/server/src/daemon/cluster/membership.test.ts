import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  createAuthority,
  createInvitation,
  issueCertificate,
  joinServer,
  memoryInvitations,
  newKey,
  privatePem,
  publicDer,
} from '../../certificates/index.ts';
import { realHost } from '../../host/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { openTcpTransport, pack } from '../../transport/index.ts';
import { ConfigError, configSchema } from '../config.ts';
import { findMembership, type Welcome } from './membership.ts';
import { readAuthority, readNodeFile, writeNodeFile } from './state.ts';

const host = realHost();
const root = mkdtempSync(path.join(tmpdir(), 'dsom-membership-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

const said: string[] = [];
const log = { info: (text: string) => void said.push(text) } as unknown as StructuredLog;
const store = '00000000-0000-4000-8000-00000000000a';
const by = { node: '00000000-0000-4000-8000-00000000000b', address: '127.0.0.1:1' };

function dataFolder(): string {
  const data = path.join(root, String(count++));
  mkdirSync(data);
  return data;
}

const find = (data: string, more: Record<string, unknown> = {}) =>
  findMembership(
    configSchema.parse({ data: [data], clusterAddress: '127.0.0.1:0', ...more }),
    9000,
    host,
    log,
    () => {},
  );

describe('what a server is', () => {
  it('is alone unless it is told, and begins a cluster only when it opens', async () => {
    const data = dataFolder();
    assert.equal(await find(data), undefined);
    const membership = await find(data, { clusterName: 'main' });
    assert.ok(membership && membership.store === undefined);
    assert.ok(!existsSync(path.join(data, 'cluster')));
  });

  it('is a node when its directory says so, of that cluster and no other', async () => {
    const data = dataFolder();
    const node = '00000000-0000-4000-8000-00000000000c';
    writeNodeFile(path.join(data, 'cluster'), {
      format: 1,
      cluster: 'main',
      node,
      store,
      member: false,
      endpoints: [],
      by,
    });
    assert.equal((await find(data))?.store, store);
    assert.equal((await find(data, { clusterName: 'main' }))?.store, store);
    await assert.rejects(find(data, { clusterName: 'other' }), /is a node of the cluster main, not of other/);
    assert.equal((await find(data, { join: 'anything' }))?.store, store);
    assert.ok(said.some((line) => /passed over/.test(line)));
  });

  it('does not begin and join at once, nor join with what is no invitation', async () => {
    await assert.rejects(find(dataFolder(), { clusterName: 'a', join: 'b' }), /give one of them/);
    const data = dataFolder();
    await assert.rejects(
      find(data, { join: 'dsom-join:nonsense' }),
      (error) => error instanceof ConfigError && /could not join/.test(error.message),
    );
    assert.ok(!existsSync(path.join(data, 'cluster')) && !existsSync(path.join(data, 'keys')));
  });

  it('joins once, with what it is given; a second node with the same line, or a refused one, keeps nothing', async () => {
    const authority = createAuthority(host);
    const key = newKey(host);
    const shown = {
      certificate: issueCertificate(host, authority, { node: by.node, publicKey: publicDer(key) }),
      privateKey: privatePem(key),
      authorities: [authority.certificate],
    };
    const transport = openTcpTransport({ credentials: { current: () => shown }, host, onError: () => {} });
    const invitations = memoryInvitations();
    const admitted: string[] = [];
    const welcome: Welcome = {
      cluster: 'main',
      store,
      keyring: Buffer.from('keys'),
      authority: Buffer.from('sealed'),
      endpoints: ['https://127.0.0.1:2'],
      by,
    };
    const admit = async (node: string) => {
      admitted.push(node);
      return pack(welcome);
    };
    const join = joinServer({
      host,
      invitations,
      authority: async () => authority,
      authorities: () => shown.authorities,
      admit,
    });
    const listener = await transport.listen('127.0.0.1:0', () => assert.fail('no call'), { join });
    try {
      const { line } = await createInvitation({
        host,
        store: invitations,
        address: listener.address,
        authority: authority.certificate,
      });
      const data = dataFolder();
      const taken = find(data, { join: line, clusterAddress: listener.address });
      await assert.rejects(taken, /cannot listen on .* something else listens there: .* another --cluster-address/);
      const nowhere = find(data, { join: line, clusterAddress: '192.0.2.1:9001' });
      await assert.rejects(nowhere, /no interface of this machine .*: give one that it has as --cluster-address/);
      // Neither has used the invitation up.
      assert.equal((await find(data, { join: line }))?.store, store);
      const file = readNodeFile(path.join(data, 'cluster'));
      assert.deepEqual(admitted, [file?.node]);
      assert.deepEqual([file?.cluster, file?.by, file?.member], ['main', by, false]);
      assert.equal(readAuthority(path.join(data, 'cluster')).toString(), 'sealed');
      assert.ok(existsSync(path.join(data, 'keys', 'keyring')));
      const { line: other } = await createInvitation({
        host,
        store: invitations,
        address: listener.address,
        authority: authority.certificate,
      });
      const broken = dataFolder();
      writeFileSync(path.join(broken, 'keys'), 'in the way of the keyring');
      await assert.rejects(find(broken, { join: other }));
      assert.equal(readNodeFile(path.join(broken, 'cluster')), undefined, 'what broke off has not begun');
      const late = dataFolder();
      await assert.rejects(find(late, { join: line }), /could not join: The invitation is not known here/);
      assert.ok(!existsSync(path.join(late, 'cluster')) && !existsSync(path.join(late, 'keys')));
    } finally {
      await listener.close();
      await transport.close();
    }
  });
});
