import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { freePorts } from '../../host/ports.fixture.ts';
import { limits } from '../../limits.ts';
import type { Endpoint } from './calls.ts';
import { connectEtcd } from './client.ts';
import { noEtcd, startCluster } from './etcd.fixture.ts';
import { startMember } from './member.ts';
import { EtcdError } from './types.ts';
import { openWatch } from './watch.ts';
import { fieldsOf, MessageWriter } from './wire.ts';

const host = realHost();
const isUnavailable = (part: RegExp) => (error: unknown) =>
  error instanceof StoreError && error.code === 'ServiceUnavailable' && part.test(error.message);

describe('the encoding of messages', () => {
  it('reads what it writes', () =>
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 53 - 1 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 2000 }),
        (number, id, bytes, field) => {
          const inner = new MessageWriter().chosen(field, number).id(2, id);
          const message = new MessageWriter().number(1, number).bytes(field, bytes).message(3, inner).flag(4, true);
          const fields = [...fieldsOf(message.finish())];
          if (number === 0) fields.unshift({ field: 1, number: 0, id: 0n, bytes: Buffer.alloc(0) });
          assert.deepEqual(
            fields.map((one) => one.field),
            [1, field, 3, 4],
          );
          assert.equal(fields[0]?.number, number);
          assert.deepEqual(fields[1]?.bytes, Buffer.from(bytes));
          const [chosen, wide] = fieldsOf(fields[2]?.bytes as Buffer);
          assert.deepEqual([chosen?.number, wide?.id], [number, id]);
          assert.equal(fields[3]?.number, 1);
        },
      ),
    ));

  it('refuses what is not a message, and never reads beyond its end', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          for (const field of fieldsOf(Buffer.from(bytes))) assert.ok(field.bytes.length <= bytes.length);
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
      }),
    ));
});

describe('a watch', () => {
  /** Endpoints whose streams the test answers. */
  function rig() {
    const clock = manualHost();
    const streams: { answer: (message: Buffer) => void; ended: (error: EtcdError) => void; stopped: boolean }[] = [];
    const endpoint = {
      stream(_: string, __: readonly Buffer[], answer: (message: Buffer) => void, ended: (error: EtcdError) => void) {
        const stream = { answer, ended, stopped: false };
        streams.push(stream);
        return () => {
          stream.stopped = true;
        };
      },
    } as unknown as Endpoint;
    const woken: (string | undefined)[] = [];
    const wake = (key?: string): void => void woken.push(key);
    let failed = 0;
    let tell: (endpoint: Endpoint) => void = () => {};
    const stop = openWatch(
      ['k', 'l'],
      { wake },
      clock,
      () => endpoint,
      () => failed++,
      (listener) => {
        tell = listener;
        return () => {
          tell = () => {};
        };
      },
    );
    const failedElsewhere = (which = endpoint): void => tell(which);
    const created = (id: number): Buffer => new MessageWriter().number(2, id).flag(3, true).finish();
    const event = (id: number): Buffer =>
      new MessageWriter().number(2, id).message(11, new MessageWriter().number(1, 1)).finish();
    return { clock, streams, woken, stop, created, event, failed: () => failed, failedElsewhere };
  }
  const open = ({ streams, created }: ReturnType<typeof rig>): void => {
    for (const id of [1, 2]) streams.at(-1)?.answer(created(id));
  };

  it('wakes when all its keys are watched, and names the key that changed', () => {
    const one = rig();
    one.streams[0]?.answer(one.created(1));
    assert.deepEqual(one.woken, []);
    one.streams[0]?.answer(one.created(2));
    one.streams[0]?.answer(one.event(2));
    assert.deepEqual(one.woken, [undefined, 'l']);
    one.stop();
    assert.equal(one.streams[0]?.stopped, true);
  });

  it('is opened again, and wakes again, when the history it was to tell is gone', () => {
    const one = rig();
    open(one);
    const gone = new MessageWriter().number(2, 1).flag(4, true).number(5, 700).text(6, 'compacted').finish();
    one.streams[0]?.answer(gone);
    assert.equal(one.streams[0]?.stopped, true);
    one.clock.advance(limits.etcdBackoffMs);
    assert.equal(one.streams.length, 2);
    open(one);
    assert.deepEqual(one.woken, [undefined, undefined]);
    one.stop();
  });

  it('leaves a member that did not answer another call: if its machine is lost, the watch says nothing of that', () => {
    const one = rig();
    open(one);
    one.failedElsewhere({} as Endpoint);
    assert.equal(one.streams[0]?.stopped, false, 'it was another member');
    one.failedElsewhere();
    one.failedElsewhere();
    assert.equal(one.streams[0]?.stopped, true);
    one.clock.advance(limits.etcdBackoffMs);
    assert.equal(one.streams.length, 2, 'once');
    open(one);
    assert.deepEqual(one.woken, [undefined, undefined]);
    one.stop();
    one.failedElsewhere();
    one.clock.advance(limits.etcdBackoffMostMs);
    assert.equal(one.streams.length, 2);
  });

  it('is opened again elsewhere when its stream breaks, or does not open in time; with pauses that grow', () => {
    const one = rig();
    open(one);
    one.streams[0]?.ended(new EtcdError('broke', 'unknown'));
    assert.equal(one.failed(), 1);
    one.clock.advance(limits.etcdBackoffMs);
    assert.equal(one.streams.length, 2);
    one.clock.advance(limits.etcdOpenMs);
    assert.deepEqual([one.failed(), one.streams[1]?.stopped], [2, true]);
    one.clock.advance(limits.etcdBackoffMs);
    assert.equal(one.streams.length, 2);
    one.clock.advance(limits.etcdBackoffMs);
    assert.equal(one.streams.length, 3);
    one.stop();
    one.clock.advance(60_000);
    assert.equal(one.streams.length, 3);
  });
});

describe('a connection to etcd', () => {
  it('says where nobody answers', async () => {
    const [port] = await freePorts(1);
    const connecting = connectEtcd({ endpoints: [`127.0.0.1:${port}`], host });
    await assert.rejects(connecting, isUnavailable(new RegExp(`No etcd member answers at 127.0.0.1:${port}`)));
  });

  it('says what an etcd needs that takes small requests only', { skip: noEtcd }, async () => {
    const cluster = await startCluster(1, ['--max-request-bytes', '1572864']);
    try {
      await assert.rejects(cluster.connect(), isUnavailable(/--max-request-bytes=8388608/));
    } finally {
      await cluster.stop();
    }
  });

  it('passes over members that do not answer', { skip: noEtcd }, async () => {
    const cluster = await startCluster();
    const [port] = await freePorts(1);
    const etcd = await cluster.connect({ endpoints: [`http://127.0.0.1:${port}`, ...cluster.urls] });
    try {
      assert.deepEqual((await etcd.range({ key: 'k' })).pairs, []);
      assert.equal((await etcd.statuses()).length, 1);
    } finally {
      await etcd.close();
      await cluster.stop();
    }
  });

  const noOpenssl = ((): string | false => {
    try {
      execFileSync('openssl', ['version'], { stdio: 'ignore' });
      return false;
    } catch {
      return 'openssl is not installed';
    }
  })();
  it('speaks TLS, both sides with certificates', { skip: noEtcd || noOpenssl }, async () => {
    const root = await fs.mkdtemp(join(tmpdir(), 'dsom-etcd-tls-'));
    const [certificate, privateKey] = [join(root, 'certificate.pem'), join(root, 'key.pem')];
    const openssl = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    openssl.push(
      '-subj',
      '/CN=etcd',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      privateKey,
      '-out',
      certificate,
    );
    execFileSync('openssl', openssl, { stdio: 'ignore' });
    const [client, peer] = (await freePorts(2)).map((port) => `https://127.0.0.1:${port}`) as [string, string];
    const tls = { certificate, privateKey, authority: certificate };
    const reports: string[] = [];
    const member = await startMember({
      host,
      name: 'tls',
      directory: join(root, 'member'),
      clientUrl: client,
      peerUrl: peer,
      tls,
      allowOldEtcd: true,
      report: (message) => void reports.push(message),
    });
    try {
      const authority = await fs.readFile(certificate, 'utf8');
      const me = { certificate: authority, privateKey: await fs.readFile(privateKey, 'utf8') };
      const common = { endpoints: member.endpoints, host, allowOldEtcd: true };
      const etcd = await connectEtcd({ ...common, tls: () => ({ authority, ...me }) });
      assert.deepEqual((await etcd.range({ key: 'k' })).pairs, []);
      await etcd.close();
      await assert.rejects(connectEtcd({ ...common, tls: () => ({ authority }) }), isUnavailable(/certificates/));
      await assert.rejects(connectEtcd(common), isUnavailable(/certificates/));
      assert.deepEqual(reports, []);
    } finally {
      await member.stop();
      await fs.rm(root, { recursive: true, force: true });
    }
  });
});
