/* What is taken as a target, what of it may be shown, and what it is sent. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalIdOf, firstAccount } from '../access/index.ts';
import type { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import type { KeyService } from '../keys/index.ts';
import type { Notice } from '../metadata/index.ts';
import { messageOf } from './record.ts';
import { openSender, shownTarget, type TargetKind, type TargetSecret, targetRecord } from './targets.ts';

/** Says what was sealed only to who names the same context. */
const keys: KeyService = {
  async wrap(secret, context) {
    return Buffer.from(`${Buffer.from(context).toString('hex')}.${Buffer.from(secret).toString('base64')}`);
  },
  async unwrap(wrapped, context) {
    const [bound, secret] = Buffer.from(wrapped).toString().split('.') as [string, string];
    assert.equal(bound, Buffer.from(context).toString('hex'), 'bound to its name');
    return Buffer.from(secret, 'base64');
  },
};

const rooms = { keys, host: manualHost(), stores: () => assert.fail('it is no store') };

const webhook = (change: Partial<TargetSecret> = {}): TargetSecret => ({
  url: 'https://user:password@example.test:8443/path?token=secret',
  headers: [['Authorization', 'Bearer secret']],
  subject: undefined,
  token: undefined,
  ...change,
});
const record = (name: string, secret: TargetSecret, kind: TargetKind = 'webhook') =>
  targetRecord(keys, { name, kind, secret, eventBridge: false, createdMs: 7 });

describe('a target of notifications', () => {
  it('is kept without showing what it is spoken to with, and opens under its own name only', async () => {
    const kept = await record('hook', webhook());
    const { sealed, ...shown } = shownTarget(kept);
    assert.ok(sealed.length > 0);
    assert.deepEqual(shown, {
      version: 1,
      kind: 'webhook',
      url: 'https://example.test:8443/path',
      headers: ['Authorization'],
      eventBridge: false,
      createdMs: 7,
    });
    await (await openSender('hook', kept, rooms)).close();
    await assert.rejects(openSender('other', kept, rooms), /bound to its name/);
    assert.throws(() => shownTarget(Buffer.from('{')), /cannot be read/);
    assert.throws(() => shownTarget(Buffer.from('{"version":2}')), /newer version/);
  });

  it('is refused where it could not be spoken to, in words that say what to do', async () => {
    const nats = webhook({ url: 'nats://h:4222', headers: [] });
    const cases: readonly (readonly [string, TargetSecret, TargetKind, RegExp])[] = [
      ['', webhook(), 'webhook', /named with letters/],
      ['a/b', webhook(), 'webhook', /named with letters/],
      ['x'.repeat(65), webhook(), 'webhook', /64 characters/],
      ['a', webhook({ url: 'ftp://h/' }), 'webhook', /http:\/\/ or https:\/\//],
      ['a', webhook({ url: 'file:///etc/passwd' }), 'webhook', /http:\/\/ or https:\/\//],
      ['a', webhook({ url: 'nonsense' }), 'webhook', /http:\/\//],
      ['a', webhook({ headers: [['Transfer-Encoding', 'chunked']] }), 'webhook', /server's own/],
      ['a', webhook({ headers: [['X', 'a\r\nHost: other']] }), 'webhook', /cannot be sent/],
      ['a', webhook({ headers: [['X Y', 'a']] }), 'webhook', /cannot be sent/],
      ['a', webhook({ headers: Array.from({ length: 17 }, (_, at) => [`x${at}`, 'y'] as const) }), 'webhook', /16/],
      ['a', nats, 'nats', /subject/],
      ['a', { ...nats, subject: 's3.>' }, 'nats', /subject/],
      ['a', { ...nats, subject: 's3 x' }, 'nats', /subject/],
    ];
    for (const [name, secret, kind, message] of cases)
      await assert.rejects(
        record(name, secret, kind),
        (error: StoreError) => error.code === 'InvalidArgument' && message.test(error.message),
        `${name} ${JSON.stringify(secret)}`,
      );
    await record('a', { ...nats, subject: 's3.events' }, 'nats');
  });

  it('that is a store is for the accounts that it was given, and nothing else is', async () => {
    const accounts = ['123456789012'];
    const store = { name: 'dr', kind: 's3', eventBridge: false, createdMs: 7, accounts } as const;
    const signing = { accessKeyId: 'k', secretAccessKey: 's', region: 'r' };
    const secret = webhook({ url: 'http://h:9', headers: [], keys: signing });
    assert.deepEqual(shownTarget(await targetRecord(keys, { ...store, secret })).accounts, accounts);
    await assert.rejects(targetRecord(keys, { ...store, kind: 'webhook', secret: webhook() }), {
      code: 'InvalidArgument',
      message: /Only stores/,
    });
  });
});

describe('an event', () => {
  const notice: Notice = {
    event: 'ObjectCreated:Put',
    origin: {
      requestId: 'r',
      hostId: 'h',
      principal: '123456789012/AWS:AIDAUSER',
      address: '127.0.0.1',
      reason: 'PutObject',
      bucketName: 'bucket',
      bucketOwner: 'somebody',
      region: 'r',
    },
    destinations: [],
    bucket: 1,
    key: Buffer.from('k'),
    timeMs: 0,
    sequence: 1,
    nonce: Buffer.alloc(8),
    isNull: true,
    versioned: false,
    place: 0,
    object: undefined,
  };
  const place = { shard: 0, position: 1, ordinal: 0 };
  const sent = (shape: 's3' | 'eventBridge', principal = notice.origin.principal) => {
    const one = { ...notice, origin: { ...notice.origin, principal } };
    return JSON.parse(messageOf(one, place, { target: 't', configuration: 'c', shape }).body.toString());
  };

  it('names the owner of the bucket, and who asked, as S3 does: never by the name under which something is kept', () => {
    const [record] = sent('s3').Records;
    assert.equal(record.userIdentity.principalId, 'AWS:AIDAUSER');
    assert.equal(record.s3.bucket.ownerIdentity.principalId, canonicalIdOf(firstAccount));
    const bridged = sent('eventBridge');
    assert.deepEqual([bridged.account, bridged.detail.requester], [firstAccount, '123456789012']);
    for (const alone of ['s3.amazonaws.com', 'Anonymous']) {
      assert.equal(sent('s3', alone).Records[0].userIdentity.principalId, alone);
      assert.equal(sent('eventBridge', alone).detail.requester, alone);
    }
    assert.doesNotMatch(JSON.stringify([record, bridged]), /somebody/);
  });

  it('of a restore says from which class, and until when', () => {
    const untilMs = Date.UTC(2026, 10, 30);
    const of = (event: Notice['event'], shape: 's3' | 'eventBridge', until = 0) => {
      const one = { ...notice, event, restore: { storageClass: 'GLACIER', untilMs: until } };
      return JSON.parse(messageOf(one, place, { target: 't', configuration: 'c', shape }).body.toString());
    };
    const restored = {
      lifecycleRestorationExpiryTime: '2026-11-30T00:00:00.000Z',
      lifecycleRestoreStorageClass: 'GLACIER',
    };
    const done = of('ObjectRestore:Completed', 's3', untilMs).Records[0];
    assert.deepEqual(done.glacierEventData, { restoreEventData: restored });
    assert.equal(of('ObjectRestore:Post', 's3').Records[0].glacierEventData, undefined);
    const bridged = ['Post', 'Completed', 'Delete'].map((what) => {
      const event = of(`ObjectRestore:${what}` as Notice['event'], 'eventBridge', what === 'Completed' ? untilMs : 0);
      return [event['detail-type'], event.detail['source-storage-class'], event.detail['restore-expiry-time']];
    });
    assert.deepEqual(bridged, [
      ['Object Restore Initiated', 'GLACIER', undefined],
      ['Object Restore Completed', 'GLACIER', '2026-11-30T00:00:00Z'],
      ['Object Restore Expired', undefined, undefined],
    ]);
  });
});
