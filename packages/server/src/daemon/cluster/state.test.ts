import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { createAuthority, issuerOf } from '../../certificates/index.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { ConfigError, configSchema } from '../config.ts';
import { addressesOf } from './addresses.ts';
import { seldom } from './seldom.ts';
import { type NodeFile, readAuthority, readNodeFile, writeAuthority, writeNodeFile } from './state.ts';
import { openMemberTls } from './tls.ts';

const root = mkdtempSync(path.join(tmpdir(), 'dsom-node-file-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const real = realHost();
/** What is ready runs. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => real.timers.soon(resolve));
};
const folderOf = (): string => path.join(root, String(count++), 'cluster');
const modeOf = (file: string): number => statSync(file).mode & 0o777;

const file: NodeFile = {
  format: 1,
  cluster: 'main',
  node: '00000000-0000-4000-8000-000000000001',
  store: '00000000-0000-4000-8000-000000000002',
  member: true,
  endpoints: ['https://127.0.0.1:1'],
  by: { node: '00000000-0000-4000-8000-000000000003', address: '127.0.0.1:2' },
};

describe('what a node keeps of itself', () => {
  it('comes back, is its owner’s alone, and is replaced whole', () => {
    const folder = folderOf();
    assert.equal(readNodeFile(folder), undefined);
    writeNodeFile(folder, file);
    writeNodeFile(folder, { ...file, member: false, by: null });
    assert.deepEqual(readNodeFile(folder), { ...file, member: false, by: null });
    writeAuthority(folder, Buffer.from('sealed'));
    assert.equal(readAuthority(folder).toString(), 'sealed');
    assert.deepEqual(readdirSync(folder).sort(), ['authority.sealed', 'node']);
    for (const name of readdirSync(folder)) assert.equal(modeOf(path.join(folder, name)), 0o600);
    assert.equal(modeOf(folder), 0o700);
  });

  it('is refused, with what to do, when it is damaged, of a later format or missing', () => {
    const folder = folderOf();
    assert.throws(() => readAuthority(folder), /authority.sealed cannot be read.*join the cluster anew/);
    writeNodeFile(folder, file);
    for (const text of ['', '{', '{}', JSON.stringify({ ...file, format: 2 }), JSON.stringify({ ...file, more: 1 })]) {
      writeFileSync(path.join(folder, 'node'), text);
      assert.throws(
        () => readNodeFile(folder),
        (error) => error instanceof ConfigError && /join the cluster anew/.test(error.message),
        text,
      );
    }
  });
});

describe('the addresses of a node', () => {
  const config = (more: Record<string, unknown>) => configSchema.parse(more);

  it('lie next to each other unless they are given', () => {
    assert.deepEqual(addressesOf(config({ address: '10.0.0.1:9000' }), 9000), {
      api: '10.0.0.1:9000',
      between: '10.0.0.1:9001',
      etcdClients: '10.0.0.1:9002',
      etcdPeers: '10.0.0.1:9003',
    });
    const given = config({ address: '0.0.0.0:80', clusterAddress: '[fd00::1]:7', etcdPorts: 50 });
    assert.deepEqual(addressesOf(given, 80), {
      api: '[fd00::1]:80',
      between: '[fd00::1]:7',
      etcdClients: '[fd00::1]:50',
      etcdPeers: '[fd00::1]:51',
    });
  });

  it('are ones that others can reach', () => {
    for (const more of [{ address: '0.0.0.0:9000' }, { address: ':9000' }, { clusterAddress: '[::]:9001' }])
      assert.throws(() => addressesOf(config(more), 9000), /--cluster-address HOST:PORT/);
  });
});

describe('the certificate of an own etcd member', () => {
  it('is for its machine, its owner’s alone, and written anew before it ends', async () => {
    const host = manualHost();
    const folder = folderOf();
    const authority = createAuthority(host);
    const failures: unknown[] = [];
    const onError = (cause: unknown): void => void failures.push(cause);
    const given = { authority: async () => authority, trusted: () => [authority.certificate] };
    const { files, close } = await openMemberTls({ folder, machine: '10.0.0.1', ...given, host, onError });
    const read = (name: string): string => readFileSync(name, 'utf8');
    const first = new X509Certificate(read(files.certificate));
    assert.equal(first.subjectAltName, 'IP Address:10.0.0.1');
    assert.equal(read(files.authority), authority.certificate);
    for (const name of Object.values(files)) assert.equal(modeOf(name), 0o600);
    const key = read(files.privateKey);
    host.advance(limits.certificateValidMs / 2);
    assert.equal(read(files.certificate), first.toString());
    host.advance(limits.certificateValidMs / 4);
    await settle();
    const second = new X509Certificate(read(files.certificate));
    assert.ok(second.validToDate > first.validToDate);
    assert.equal(read(files.privateKey), key, 'the key is that of the certificate at any moment');
    assert.deepEqual(failures, []);
    close();
    host.advance(limits.certificateValidMs);
    assert.equal(read(files.certificate), second.toString());
  });

  it('comes from the newest authority, and what it trusts follows, when that is asked for', async () => {
    const host = manualHost();
    const [old, young] = [createAuthority(host), createAuthority(host)];
    let [authority, trusted] = [old, [old.certificate]];
    const { files, renew, close } = await openMemberTls({
      folder: folderOf(),
      machine: '10.0.0.1',
      authority: async () => authority,
      trusted: () => trusted,
      host,
      onError: (cause) => assert.fail(String(cause)),
    });
    const read = (name: string): string => readFileSync(name, 'utf8');
    const [first, key] = [read(files.certificate), read(files.privateKey)];
    assert.equal(await renew(), false);
    trusted = [young.certificate, old.certificate];
    assert.equal(await renew(), true);
    assert.equal(read(files.authority), trusted.join(''));
    assert.equal(read(files.certificate), first);
    authority = young;
    assert.equal(await renew(), false);
    assert.equal(issuerOf(read(files.certificate), [old.certificate, young.certificate]), young.certificate);
    assert.equal(read(files.privateKey), key);
    close();
  });

  it('that cannot be written is told of, and tried again', async () => {
    const host = manualHost();
    const folder = folderOf();
    const failures: unknown[] = [];
    const onError = (cause: unknown): void => void failures.push(cause);
    const authority = createAuthority(host);
    const given = { authority: async () => authority, trusted: () => [authority.certificate] };
    const { files, close } = await openMemberTls({ folder, machine: 'a.example', ...given, host, onError });
    const first = readFileSync(files.certificate, 'utf8');
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
    host.advance(limits.certificateValidMs);
    await settle();
    assert.ok(failures.length > 0);
    rmSync(folder);
    host.advance(limits.certificateCheckMs);
    await settle();
    assert.notEqual(readFileSync(files.certificate, 'utf8'), first);
    close();
  });
});

describe('a thing that is said seldom', () => {
  it('is said once in a while, and other things meanwhile', () => {
    const host = manualHost();
    const heard: string[] = [];
    const say = seldom(host.clock, (text) => heard.push(text));
    say(new Error('a'));
    say('a');
    say(new Error('b'));
    host.advance(limits.seldomMs - 1);
    say(new Error('a'));
    assert.deepEqual(heard, ['a', 'b']);
    host.advance(1);
    say(new Error('a'));
    assert.deepEqual(heard, ['a', 'b', 'a']);
    for (let n = 0; n < limits.seldomTexts; n++) say(`${n}`);
    say('a');
    assert.equal(heard.at(-1), 'a', 'what was pushed out of memory is said again');
  });
});
