/* Accounts, users, groups, roles and managed policies: what is refused, what follows from what, and the same in every replica. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import { features } from './machine/features.ts';
import {
  type IdentityRecord,
  type ManagedPolicyRecord,
  policyArn,
  type RoleRecord,
  type UserGroupRecord,
  type UserRecord,
} from './machine/identities.ts';
import type { AccessKeyRecord, NodeRecord } from './machine/records.ts';
import { openMetadataReader } from './reader.ts';
import { Rig } from './rig.support.ts';
import { restoreSnapshot, writeSnapshot } from './snapshot.ts';

const code = (expected: string) => (error: unknown) => error instanceof StoreError && error.code === expected;
const acme = '111111111111';
const other = '222222222222';

const base = (name: string, id: string) =>
  ({ account: acme, name, id, path: '/', createdMs: 0, revision: 0, tags: [] }) as const;
const user = (name: string, more: Partial<UserRecord> = {}): UserRecord => ({
  ...base(name, `AIDA${name}`),
  kind: 'user',
  attached: [],
  inline: [],
  boundary: undefined,
  groups: [],
  accessKeys: [],
  email: '',
  ...more,
});
const group = (name: string): UserGroupRecord => ({
  ...base(name, `AGPA${name}`),
  kind: 'group',
  attached: [],
  inline: [],
});
const role = (name: string, more: Partial<RoleRecord> = {}): RoleRecord => ({
  ...base(name, `AROA${name}`),
  kind: 'role',
  attached: [],
  inline: [],
  boundary: undefined,
  trust: '{}',
  description: '',
  maxSessionSeconds: 3600,
  ...more,
});
const policy = (name: string, more: Partial<ManagedPolicyRecord> = {}): ManagedPolicyRecord => ({
  ...base(name, `ANPA${name}`),
  kind: 'policy',
  description: '',
  updatedMs: 0,
  defaultVersion: 1,
  nextVersion: 2,
  versions: [{ number: 1, createdMs: 0, document: '{}' }],
  ...more,
});
const key = (id: string, more: Partial<AccessKeyRecord> = {}): AccessKeyRecord => ({
  id,
  sealedSecret: Buffer.from('s'),
  owner: acme,
  name: '',
  createdMs: 0,
  role: 'readonly',
  buckets: [],
  account: acme,
  status: 'active',
  ...more,
});

async function opened(): Promise<Rig> {
  const rig = await Rig.open();
  for (const [at, id] of [acme, other].entries())
    await rig.do(
      { type: 'account.create', account: { id, canonicalId: String(at).repeat(64), name: `tenant ${at}` } },
      'done',
    );
  return rig;
}

const write = (rig: Rig, identity: IdentityRecord) => rig.do({ type: 'identity.write', identity }, 'done');
const remove = (rig: Rig, { id }: IdentityRecord) =>
  rig.do({ type: 'identity.remove', id, revision: rig.reader.identities.identity(id)?.revision ?? 0 }, 'done');
const at = <Record extends IdentityRecord>(rig: Rig, { id }: Record): Record =>
  rig.reader.identities.identity(id) as Record;

describe('an account', () => {
  it('has an id, a canonical id and a name that no other has', async () => {
    const rig = await opened();
    const again = (change: object) =>
      rig.do(
        {
          type: 'account.create',
          account: { id: '3'.repeat(12), canonicalId: 'c'.repeat(64), name: 'new', ...change },
        },
        'done',
      );
    for (const change of [{ id: acme }, { canonicalId: '0'.repeat(64) }, { name: 'tenant 1' }])
      await assert.rejects(again(change), code('EntityAlreadyExists'));
    for (const change of [{ id: '1' }, { canonicalId: 'x' }, { name: '' }, { name: 'x'.repeat(1000) }])
      await assert.rejects(again(change), code('InvalidArgument'));
    await again({});
    assert.equal(rig.reader.identities.accounts().length, 3);
    assert.equal(rig.reader.identities.account(acme)?.name, 'tenant 0');
  });

  it('stays as long as anything belongs to it', async () => {
    const rig = await opened();
    const gone = () => rig.do({ type: 'account.remove', id: acme }, 'done');
    for (const one of [user('ann'), group('staff'), role('work'), policy('read')]) {
      await write(rig, one);
      await assert.rejects(gone(), code('DeleteConflict'));
      await remove(rig, one);
    }
    await rig.do({ type: 'key.create', record: key('AKROOT', { role: 'root' }) }, 'done');
    await assert.rejects(gone(), code('DeleteConflict'));
    await rig.do({ type: 'key.revoke', id: 'AKROOT' }, 'done');
    await rig.do(
      { type: 'bucket.create', name: 'bucket', owner: acme, region: 'r', wrappedKey: Buffer.alloc(4) },
      'bucket',
    );
    await assert.rejects(gone(), code('DeleteConflict'));
    await rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    await gone();
    await assert.rejects(gone(), code('NoSuchEntity'));
    await assert.rejects(write(rig, user('ann')), code('NoSuchEntity'));
  });
});

describe('an identity', () => {
  it('has a name that no other of its account and kind has, whatever the case', async () => {
    const rig = await opened();
    await write(rig, user('Ann'));
    await assert.rejects(write(rig, { ...user('ANN'), id: 'AIDA2' }), code('EntityAlreadyExists'));
    await write(rig, group('ann'));
    await write(rig, { ...user('ann'), id: 'AIDA3', account: other });
    assert.equal(rig.reader.identities.named(acme, 'user', 'ANN')?.name, 'Ann');
    assert.equal(rig.reader.identities.named(acme, 'role', 'Ann'), undefined);
    assert.equal(rig.reader.identities.named(other, 'user', 'ann')?.id, 'AIDA3');
  });

  it('is changed from the revision that was read, or not at all', async () => {
    const rig = await opened();
    await write(rig, user('ann'));
    const read = at(rig, user('ann'));
    assert.equal(read.revision, 1);
    await write(rig, { ...read, email: 'a@b' });
    await assert.rejects(write(rig, { ...read, email: 'late' }), code('ConcurrentModification'));
    assert.equal(at(rig, user('ann')).email, 'a@b');
    await assert.rejects(
      rig.do({ type: 'identity.remove', id: read.id, revision: 1 }, 'done'),
      code('ConcurrentModification'),
    );
    await assert.rejects(write(rig, { ...user('bob'), revision: 4 }), code('NoSuchEntity'));
    await assert.rejects(write(rig, { ...user('ann'), name: 'eve' }), code('EntityAlreadyExists'));
  });

  it('keeps what is its own when its name changes', async () => {
    const rig = await opened();
    await write(rig, group('staff'));
    await write(rig, user('ann', { groups: ['AGPAstaff'] }));
    await rig.do({ type: 'key.create', record: key('AK1', { user: 'AIDAann' }) }, 'done');
    await write(rig, { ...at(rig, user('ann')), name: 'eve', accessKeys: ['AKFORGED'] });
    assert.deepEqual(at(rig, user('ann')).accessKeys, ['AK1']);
    assert.equal(rig.reader.identities.named(acme, 'user', 'ann'), undefined);
    assert.equal(rig.reader.identities.named(acme, 'user', 'eve')?.id, 'AIDAann');
    assert.deepEqual(rig.reader.identities.users(acme, 'AGPAstaff', 'member'), ['AIDAann']);
    await write(rig, { ...user('ann'), id: 'AIDAnew' });
    assert.deepEqual(at(rig, { ...user('ann'), id: 'AIDAnew' }).accessKeys, []);
    for (const one of [policy('read'), role('work')]) {
      await write(rig, one);
      await assert.rejects(write(rig, { ...at(rig, one), name: 'other' }), code('ValidationError'));
      await assert.rejects(write(rig, { ...at(rig, one), path: '/p/' }), code('ValidationError'));
    }
  });

  it('names what is there, in its own account', async () => {
    const rig = await opened();
    await write(rig, policy('read'));
    const foreign = { ...policy('secret'), id: 'ANPAforeign', account: other };
    await write(rig, foreign);
    for (const change of [
      { attached: [policyArn(policy('none'))] },
      { attached: [policyArn(policy('READ'))] },
      { attached: [policyArn(foreign)] },
      { boundary: policyArn(foreign) },
      { groups: ['AGPAnone'] },
      { groups: ['AIDAann'] },
    ])
      await assert.rejects(write(rig, user('ann', change)), code('NoSuchEntity'), JSON.stringify(change));
    await write(rig, user('ann', { attached: [policyArn(policy('read')), 'arn:aws:iam::aws:policy/ReadOnlyAccess'] }));
    assert.equal(rig.reader.identities.policy(policyArn(policy('READ'))), undefined);
  });

  it('that is used stays', async () => {
    const rig = await opened();
    const arn = policyArn(policy('read'));
    await write(rig, policy('read'));
    await write(rig, group('staff'));
    for (const holder of [
      user('ann', { attached: [arn] }),
      user('ann', { boundary: arn }),
      { ...group('g'), attached: [arn] },
      role('work', { boundary: arn }),
    ]) {
      await write(rig, holder);
      await assert.rejects(remove(rig, policy('read')), code('DeleteConflict'));
      await write(rig, { ...at(rig, holder), attached: [], ...('boundary' in holder && { boundary: undefined }) });
      await remove(rig, holder);
    }
    await write(rig, user('ann', { groups: ['AGPAstaff'] }));
    await assert.rejects(remove(rig, group('staff')), code('DeleteConflict'));
    await assert.rejects(remove(rig, user('ann')), code('DeleteConflict'));
    await write(rig, { ...at(rig, user('ann')), groups: [], inline: [['in', '{}']] });
    await remove(rig, group('staff'));
    await assert.rejects(remove(rig, user('ann')), code('DeleteConflict'));
    await write(rig, { ...at(rig, user('ann')), inline: [] });
    await rig.do({ type: 'key.create', record: key('AK1', { user: 'AIDAann' }) }, 'done');
    await assert.rejects(remove(rig, user('ann')), code('DeleteConflict'));
    await rig.do({ type: 'key.revoke', id: 'AK1' }, 'done');
    await remove(rig, user('ann'));
    const versions = [1, 2].map((number) => ({ number, createdMs: 0, document: '{}' }));
    await write(rig, { ...at(rig, policy('read')), versions });
    await assert.rejects(remove(rig, policy('read')), code('DeleteConflict'));
  });

  it('is bounded, in itself and in number', async () => {
    const rig = await opened();
    const tags = Array.from({ length: limits.identityTags + 1 }, (_, i) => [`k${i}`, ''] as const);
    const builtIn = Array.from({ length: limits.attachedPolicies + 1 }, (_, i) => `arn:aws:iam::aws:policy/P${i}`);
    for (const change of [
      { tags },
      { attached: builtIn },
      { inline: [['in', 'x'.repeat(limits.identityBytes)]] as const },
      { inline: Array.from({ length: limits.inlinePolicies + 1 }, (_, i) => [`i${i}`, ''] as const) },
    ])
      await assert.rejects(write(rig, user('ann', change)), code('LimitExceeded'));
    const groups = Array.from({ length: limits.groupsOfUser + 1 }, (_, i) => group(`g${i}`));
    for (const one of groups) await write(rig, one);
    await assert.rejects(write(rig, user('ann', { groups: groups.map(({ id }) => id) })), code('LimitExceeded'));
    const versions = Array.from({ length: limits.policyVersions + 1 }, (_, i) => ({
      number: i + 1,
      createdMs: 0,
      document: '{}',
    }));
    await assert.rejects(write(rig, policy('read', { versions })), code('LimitExceeded'));
    for (let i = groups.length; i < limits.userGroups; i++) await write(rig, group(`g${i}`));
    await assert.rejects(write(rig, group('more')), code('LimitExceeded'));
    assert.equal(rig.reader.identities.count(acme, 'group'), limits.userGroups);
    await write(rig, { ...group('more'), account: other });
  });

  it('is listed in order of name, page by page', async () => {
    const rig = await opened();
    for (const name of ['b', 'A', 'c', 'ab']) await write(rig, user(name));
    await write(rig, { ...user('aa'), account: other });
    const { identities } = rig.reader;
    const first = identities.identities(acme, 'user', '', 2);
    assert.deepEqual([first.items.map(({ name }) => name), first.truncated], [['A', 'ab'], true]);
    const next = identities.identities(acme, 'user', 'ab', 2);
    assert.deepEqual([next.items.map(({ name }) => name), next.truncated], [['b', 'c'], false]);
  });
});

describe('an access key of a user', () => {
  it('is his alone, is turned off and on, and goes', async () => {
    const rig = await opened();
    await write(rig, user('ann'));
    await assert.rejects(
      rig.do({ type: 'key.create', record: key('AK0', { user: 'AIDAnone' }) }, 'done'),
      code('NoSuchEntity'),
    );
    await assert.rejects(
      rig.do({ type: 'key.create', record: key('AK0', { user: 'AIDAann', account: other }) }, 'done'),
      code('NoSuchEntity'),
    );
    for (const id of ['AK1', 'AK2']) await rig.do({ type: 'key.create', record: key(id, { user: 'AIDAann' }) }, 'done');
    await assert.rejects(
      rig.do({ type: 'key.create', record: key('AK3', { user: 'AIDAann' }) }, 'done'),
      code('LimitExceeded'),
    );
    await rig.do({ type: 'key.update', id: 'AK1', status: 'inactive' }, 'done');
    assert.equal(rig.reader.accessKey('AK1')?.status, 'inactive');
    await rig.crash();
    assert.equal(rig.reader.accessKey('AK1')?.status, 'inactive');
    await rig.do({ type: 'key.revoke', id: 'AK1' }, 'done');
    assert.deepEqual(at(rig, user('ann')).accessKeys, ['AK2']);
    await assert.rejects(rig.do({ type: 'key.update', id: 'AK1', status: 'active' }, 'done'), code('NoSuchEntity'));
    const { account: _, status: __, ...old } = key('OLD');
    await rig.do({ type: 'key.create', record: old }, 'done');
    await assert.rejects(rig.do({ type: 'key.update', id: 'OLD', status: 'inactive' }, 'done'), code('NoSuchEntity'));
  });
});

describe('identities in replicas', () => {
  it('raise the generation with every change, whatever was remembered', async () => {
    const rig = await opened();
    const seen = [rig.reader.identities.generation()];
    const step = async (change: Promise<unknown>) => {
      await change;
      seen.push(rig.reader.identities.generation());
    };
    await step(write(rig, user('ann')));
    await step(write(rig, at(rig, user('ann'))));
    await step(remove(rig, user('ann')));
    await step(rig.do({ type: 'account.remove', id: other }, 'done'));
    assert.deepEqual(seen, [2, 3, 4, 5, 6]);
  });

  it('are counted in the digest and are in a snapshot', async () => {
    const rig = await opened();
    const before = rig.metadata.digest();
    await write(rig, user('ann'));
    assert.notDeepEqual(rig.metadata.digest(), before);
    const kv = memoryKv(rig.host);
    await restoreSnapshot(kv, writeSnapshot(rig.kv));
    const { identities } = openMetadataReader(kv);
    assert.deepEqual(identities.named(acme, 'user', 'ann'), at(rig, user('ann')));
    assert.equal(identities.generation(), rig.reader.identities.generation());
  });

  it('leave nothing behind when all are gone', async () => {
    const rig = await opened();
    const rows = () => [...rig.kv.range({ start: Buffer.from([0x35]), end: Buffer.from([0x38]) })].length;
    await write(rig, policy('read'));
    await write(rig, group('staff'));
    await write(rig, user('ann', { groups: ['AGPAstaff'], attached: [policyArn(policy('read'))] }));
    assert.equal(rows(), 8);
    await write(rig, { ...at(rig, user('ann')), groups: [], attached: [] });
    for (const one of [user('ann'), group('staff'), policy('read')]) await remove(rig, one);
    assert.equal(rows(), 0);
  });

  it('wait in a cluster for nodes that do not know them, and then are in every replica', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const nodeOf = (id: string, known: readonly string[]): NodeRecord => {
      const texts = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version: '1' };
      return { ...texts, roles: ['metadata'], state: 'active', features: known, incarnation: Buffer.alloc(8, 1) };
    };
    const before = features.filter((name) => name !== 'identities');
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, before) });
    const account = { id: acme, canonicalId: 'a'.repeat(64), name: 'acme' };
    await assert.rejects(leader.propose({ type: 'account.create', account }), code('NotImplemented'));
    await assert.rejects(leader.propose({ type: 'key.create', record: key('AK') }), code('NotImplemented'));
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'identities' });
    await leader.propose({ type: 'account.create', account });
    await leader.propose({ type: 'identity.write', identity: user('ann') });
    await cluster.settle();
    for (const { replica } of cluster.nodes)
      assert.equal(replica.reader.identities.named(acme, 'user', 'ann')?.revision, 1);
    await cluster.stop();
  });
});
