/* Features: what newer versions write waits until every node knows it, and who does not know it stays out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestBytes } from '../codec/index.ts';
import type { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import type { Effect } from './machine/effects.ts';
import { decodeEntry, encodeEntry } from './machine/entry.ts';
import { features, featuresOf } from './machine/features.ts';
import { keys } from './machine/keys.ts';
import { encodeLockConfiguration } from './machine/locks.ts';
import { encodePieceRow } from './machine/pieces.ts';
import type { AuthorityRecord, ChecksumAlgorithm, GivenExtensions, NodeRecord, Policy } from './machine/records.ts';
import { encodeNumber } from './machine/rows.ts';
import { encodeVersion } from './machine/versions.ts';
import { openMetadata } from './open.ts';
import { draftOf, inlinePiece, Rig, TestLog } from './rig.support.ts';

const inlineIdentity = {
  kind: 'object',
  guk: Buffer.alloc(16, 1),
  sequence: 9,
  nonce: Buffer.alloc(8, 2),
  isNull: false,
  modifiedMs: 5,
  owner: 'o',
  manifest: { id: Buffer.alloc(16, 3), pieces: 1, embedded: inlinePiece('bytes'), sealed: true },
} as const;
const says = (expected: string, what: RegExp) => (error: StoreError) =>
  error.code === expected && what.test(error.message);

const effectsOf = (rig: Rig) => decodeEntry(rig.log.entries.at(-1)!.payload).map(({ type }) => type);
const setting = { type: 'setting.write', name: 'pace', value: 'slow' } as const;
const nodeOf = (id: string, known: readonly string[]): NodeRecord => {
  const texts = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version: '1' };
  return { ...texts, roles: ['metadata'], state: 'active', features: known, incarnation: Buffer.alloc(8, 1) };
};

describe('a feature', () => {
  it('is turned on by the entry that needs it first, where one process has the log', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    assert.deepEqual(effectsOf(rig), ['bucket.write']);
    await rig.metadata.propose(setting);
    assert.deepEqual(effectsOf(rig), ['feature.enable', 'setting.write']);
    await rig.metadata.propose({ ...setting, value: 'fast' });
    assert.deepEqual(effectsOf(rig), ['setting.write']);
    assert.deepEqual(rig.reader.features(), ['settings']);
    await rig.crash();
    assert.deepEqual([rig.reader.features(), rig.reader.setting('pace')], [['settings'], 'fast']);
  });

  it('waits in a cluster until every node knows it, and nothing that needs it is written before', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, []) });
    await leader.propose({ type: 'node.write', node: nodeOf('n0', features) });
    const before = cluster.log.head;
    await assert.rejects(leader.propose(setting), says('NotImplemented', /settings.*cluster features/));
    await assert.rejects(
      leader.propose({ type: 'feature.enable', feature: 'settings' }),
      says('InvalidRequest', /n1, n2/),
    );
    assert.equal(cluster.log.head, before);
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'settings' });
    await leader.propose(setting);
    await assert.rejects(
      leader.propose({ type: 'node.write', node: nodeOf('n2', []) }),
      says('InvalidRequest', /settings/),
    );
    await cluster.settle();
    for (const { replica } of cluster.nodes) assert.equal(replica.reader.setting('pace'), 'slow');
    await cluster.stop();
  });

  it('is on from the start in a cluster whose first node knows it', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    await leader.propose({ type: 'node.write', node: nodeOf('n0', ['settings', 'of a later version']) });
    assert.deepEqual(leader.replica.reader.features(), ['settings']);
    await assert.rejects(
      leader.propose({ type: 'node.write', node: nodeOf('n1', []) }),
      says('InvalidRequest', /settings/),
    );
    await cluster.stop();
  });

  it('that this version does not know stops a replica that meets it, and changes nothing', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    rig.log.write(encodeEntry([{ type: 'feature.enable', feature: 'teleport' }]));
    rig.log.write(encodeEntry([setting]));
    const kv = rig.kv;
    await assert.rejects(
      openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 }),
      (error: Error & { kind?: string }) =>
        error.kind === 'unknown' && /does not know teleport.*start a version/.test(error.message),
    );
    assert.equal(kv.get(keys.feature('teleport')), undefined);
  });

  it('that this version does not know keeps a state that has it from being opened', async () => {
    const host = manualHost(1);
    const kv = memoryKv(host);
    kv.commit([[keys.feature('teleport'), encodeNumber(1)]]);
    await assert.rejects(
      openMetadata({ log: new TestLog(), kv, host, shard: 7 }),
      (error: Error & { kind?: string }) => error.kind === 'unknown' && /does not know teleport/.test(error.message),
    );
  });
});

describe('a checksum by a newer algorithm', () => {
  const older: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
  const at = { bucket: 1, key: Buffer.from('k') };
  for (const algorithm of Object.keys(digestBytes) as ChecksumAlgorithm[])
    for (const type of ['FULL_OBJECT', 'COMPOSITE'] as const) {
      const needed = older.includes(algorithm) ? [] : ['newerChecksums'];
      it(`${algorithm}, ${type}: each effect that has one needs ${needed.length > 0 ? 'the feature' : 'nothing'}`, () => {
        const checksum = { algorithm, type, value: Buffer.alloc(digestBytes[algorithm], 7) };
        const needs = (effect: Effect) => [...featuresOf(effect)].sort();
        const piece = { ...inlinePiece('bytes'), checksum };
        for (const given of [{}, { legalHold: true }]) {
          const row = encodeVersion({ ...inlineIdentity, ...draftOf(5, piece.md5, { checksum }), ...given }, false);
          const own = [...needed, ...(given.legalHold ? ['objectLock'] : [])].sort();
          assert.deepEqual(needs({ type: 'version.update', ...at, row }), own);
          assert.deepEqual(needs({ type: 'version.swap', ...at, row }), [...own, 'policies'].sort());
          const insert = { type: 'version.insert', ...at, row, replaces: 0, manifest: 'new', sharedPieces: 0 } as const;
          assert.deepEqual(needs(insert), own);
        }
        // Whatever stands before the checksum.
        for (const [start, size] of [
          [0, 5],
          [2 ** 40, 2 ** 33],
        ] as const) {
          const row = encodePieceRow({ kind: 'piece', modifiedMs: 5, start, piece: { ...piece, size } });
          const place = { manifest: Buffer.alloc(16), index: 0, ...at, row };
          assert.deepEqual(needs({ type: 'piece.write', ...place, publish: false }), needed);
          assert.deepEqual(needs({ type: 'piece.swap', ...place }), [...needed, 'policies'].sort());
          assert.deepEqual(needs({ type: 'upload.part', ...at, upload: Buffer.alloc(16), index: 0, row }), needed);
        }
        const { headers, metadata, tags, storageClass, wrappedKey } = draftOf(0, piece.md5);
        const about = { headers, metadata, tags, storageClass, wrappedKey, owner: 'o', initiatedMs: 1 };
        const upload = { id: Buffer.alloc(16), ...at, ...about, checksumAlgorithm: algorithm, checksumType: type };
        assert.deepEqual(needs({ type: 'upload.create', upload }), needed);
      });
    }

  it('what has none needs nothing', () => {
    const rows = [
      encodePieceRow({ kind: 'link', manifest: Buffer.alloc(16, 9), pieces: 9 }),
      encodePieceRow({ kind: 'piece', modifiedMs: 5, start: 0, piece: inlinePiece('bytes') }),
    ];
    for (const row of rows)
      assert.deepEqual(
        [...featuresOf({ type: 'piece.write', manifest: Buffer.alloc(16), index: 0, ...at, publish: false, row })],
        [],
      );
  });
});

describe('a policy of a version’s own', () => {
  it('is not said, and bytes that only it can explain are refused, until every node knows it', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, []) });
    const made = await leader.propose({
      type: 'bucket.create',
      name: 'bucket',
      owner: 'o',
      region: 'r',
      wrappedKey: Buffer.from('wk'),
    });
    assert.ok(made.reply.type === 'bucket');
    const bucket = made.reply.bucket.id;
    const put = (policy: Policy) => {
      const piece = inlinePiece('bytes');
      const draft = draftOf(piece.size, piece.md5, { policy });
      const about = { bucket, key: Buffer.from('k'), owner: 'o', guard: undefined, draft, pieces: [piece] };
      return leader.propose({ type: 'object.put', ...about });
    };
    const said = () => {
      const version = leader.replica.reader.version(bucket, Buffer.from('k'), undefined);
      return version?.kind === 'object' ? version.policy : undefined;
    };
    const hybrid = { hot: { copies: 2 }, cold: { data: 4, parity: 2 }, afterIdleMs: 1000 };
    await put({ copies: 3 });
    assert.equal(said(), undefined);
    await assert.rejects(put(hybrid), says('NotImplemented', /policies.*cluster features/));
    await assert.rejects(
      leader.propose({ type: 'bucket.update', name: 'bucket', redundancy: hybrid }),
      says('NotImplemented', /policies/),
    );
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'policies' });
    await put({ copies: 3 });
    assert.deepEqual(said(), { copies: 3 });
    await put(hybrid);
    assert.deepEqual(said(), hybrid);
    await leader.propose({ type: 'bucket.update', name: 'bucket', redundancy: hybrid });
    assert.deepEqual(leader.replica.reader.bucket('bucket')?.redundancy, hybrid);
    await cluster.stop();
  });
});

describe('an extension of a version', () => {
  it('needs its own feature, whatever others the version has', () => {
    const version = { ...draftOf(5, Buffer.alloc(16)), ...inlineIdentity };
    const needs = (given: GivenExtensions) => {
      const row = encodeVersion({ ...version, ...given }, false);
      const at = { bucket: 1, key: Buffer.from('k'), row };
      const effects: Effect[] = [
        { type: 'version.insert', ...at, replaces: 0, manifest: 'new', sharedPieces: 0 },
        { type: 'version.update', ...at },
        { type: 'version.swap', ...at },
      ];
      return effects.map((effect) => [...featuresOf(effect)].sort());
    };
    const policy = { copies: 2 };
    assert.deepEqual(needs({}), [[], [], ['policies']]);
    assert.deepEqual(needs({ policy }), [['policies'], ['policies'], ['policies']]);
    const both = ['objectLock', 'policies'];
    assert.deepEqual(needs({ policy, legalHold: false }), [both, both, both]);
    assert.deepEqual(needs({ acl: Buffer.from('a') }), [['acls'], ['acls'], ['acls', 'policies']]);
    assert.deepEqual(needs({ legalHold: true }), [['objectLock'], ['objectLock'], both]);
    const restore = { restore: { state: 'restored', untilMs: 1 } } as GivenExtensions;
    assert.deepEqual(needs(restore), [['archive'], ['archive'], ['archive', 'policies']]);
    const setting = (name: string) => [...featuresOf({ type: 'setting.write', name, value: '{}' })];
    assert.deepEqual([setting('pace'), setting('archives')], [['settings'], ['settings', 'archive']]);
    const { headers, metadata, tags, storageClass, wrappedKey } = version;
    const described = { headers, metadata, tags, storageClass, wrappedKey, owner: 'o', initiatedMs: 1 };
    const about = { id: Buffer.alloc(16), bucket: 1, key: Buffer.from('k'), ...described };
    const upload = { ...about, checksumAlgorithm: undefined, checksumType: undefined };
    const ofUpload = (given: GivenExtensions) => [
      ...featuresOf({ type: 'upload.create', upload: { ...upload, ...given } }),
    ];
    assert.deepEqual([ofUpload({}), ofUpload({ legalHold: true })], [[], ['objectLock']]);
  });

  it('is not made in a cluster until every node knows it: no bucket locks', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    for (const { name } of cluster.nodes)
      await leader.propose({ type: 'node.write', node: nodeOf(name, ['configurations']) });
    const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') };
    const create = { type: 'bucket.create', ...about } as const;
    await assert.rejects(
      leader.propose({ ...create, name: 'locks', locks: true }),
      says('NotImplemented', /objectLock/),
    );
    await leader.propose({ ...create, name: 'bucket', versioning: 'enabled' });
    const document = encodeLockConfiguration({});
    await assert.rejects(
      leader.propose({ type: 'bucket.configure', name: 'bucket', kind: 'objectLock', document }),
      says('NotImplemented', /objectLock.*cluster features/),
    );
    await cluster.stop();
  });
});

describe('a quota', () => {
  it('is not set in a cluster until every node knows it, and then it is', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') };
    const { reply } = await leader.propose({ type: 'bucket.create', name: 'bucket', ...about });
    const bucket = reply.type === 'bucket' ? reply.bucket.id : 0;
    const command = { type: 'quota.write', subject: { kind: 'bucket', bucket }, quota: { bytes: 1 } } as const;
    await assert.rejects(leader.propose(command), says('NotImplemented', /quotas.*cluster features/));
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'quotas' });
    await leader.propose(command);
    assert.deepEqual(leader.replica.reader.quotas.of(command.subject), { bytes: 1 });
    await cluster.stop();
  });
});

describe('an invitation', () => {
  const day = 24 * 3600 * 1000;
  const invitationOf = (rig: Rig, number: number, validMs = day) => {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(number);
    return { id, secretHash: Buffer.alloc(32, number), untilMs: rig.host.clock.now() + validMs, node: 'n1' };
  };

  it('is kept with its hash until it is used, once, and over a restart', async () => {
    const rig = await Rig.open();
    const invitation = invitationOf(rig, 1);
    const createdMs = rig.host.clock.now();
    await rig.metadata.propose({ type: 'invitation.write', invitation });
    await rig.crash();
    assert.deepEqual(rig.reader.invitations(), [{ ...invitation, createdMs }]);
    await assert.rejects(
      rig.metadata.propose({ type: 'invitation.write', invitation }),
      says('InvalidArgument', /taken/),
    );
    const use = () => rig.metadata.propose({ type: 'invitation.remove', id: invitation.id });
    const uses = await Promise.allSettled([use(), use(), use()]);
    assert.deepEqual(uses.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected']);
    await assert.rejects(use(), says('NotFound', /used or revoked/));
    await rig.crash();
    assert.deepEqual(rig.reader.invitations(), []);
  });

  it('has a bound in number, which those that have expired do not count for', async () => {
    const rig = await Rig.open();
    const write = (number: number, validMs?: number) =>
      rig.metadata.propose({ type: 'invitation.write', invitation: invitationOf(rig, number, validMs) });
    for (let i = 0; i < limits.invitations; i++) await write(i, i === 0 ? 1000 : day);
    await assert.rejects(write(1000), says('InvalidRequest', /revoke/));
    rig.host.advance(1000);
    await write(1000);
    assert.equal(rig.reader.invitations().length, limits.invitations);
    await assert.rejects(write(1001), says('InvalidRequest', /revoke/));
  });
});

describe('an authority that replaces another', () => {
  it('goes from one state to the next, one at a time', async () => {
    const rig = await Rig.open();
    const of = (number: number, state: AuthorityRecord['state']): AuthorityRecord => {
      const [certificate, sealed] = [Buffer.alloc(9, number), Buffer.alloc(9, 100 + number)];
      return { number, state, certificate, sealed, before: [Buffer.alloc(3, number - 1)] };
    };
    const write = (authority: AuthorityRecord) => rig.metadata.propose({ type: 'authority.write', authority });
    for (const wrong of [of(1, 'issuing'), of(1, 'only'), of(2, 'trusted')])
      await assert.rejects(write(wrong), says('InvalidRequest', /Authority 0/));
    await write(of(1, 'trusted'));
    for (const wrong of [of(2, 'trusted'), of(1, 'only'), of(1, 'trusted'), of(2, 'issuing')])
      await assert.rejects(write(wrong), says('InvalidRequest', /Authority 1 is trusted/));
    await assert.rejects(
      write({ ...of(1, 'issuing'), certificate: Buffer.alloc(9) }),
      says('InvalidRequest', /certificate/),
    );
    await write(of(1, 'issuing'));
    await write(of(1, 'only'));
    await rig.crash();
    assert.deepEqual(rig.reader.authority(), of(1, 'only'));
    await write(of(2, 'trusted'));
    assert.deepEqual(rig.reader.authority(), of(2, 'trusted'));
  });
});
