/*
 * What follows from the rows of identities: names, uses, counts. Whatever is done, and whatever of it is refused, these rows are those that one makes from
 * the identities alone.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import {
  decodeIdentity,
  type IdentityRecord,
  identityKinds,
  identityUses,
  policyArn,
  usesOf,
} from './machine/identities.ts';
import { keys, type Table, tableEnd, tableStart } from './machine/keys.ts';
import { decodeNumber } from './machine/rows.ts';
import { Rig } from './rig.support.ts';

const accounts = ['111111111111', '222222222222'] as const;
const names = ['a', 'A', 'b', 'c'];

const base = (account: string, kind: string, name: string, id: string) =>
  ({ account, id, name, path: '/', createdMs: 0, revision: 0, tags: [], kind }) as const;

function draft(account: string, kind: (typeof identityKinds)[number], name: string, at: number): IdentityRecord {
  const about = base(account, kind, name, `${kind}-${account[0]}-${at}`);
  const holder = { attached: [], inline: [] };
  switch (kind) {
    case 'policy':
      return { ...about, kind, description: '', updatedMs: 0, defaultVersion: 1, nextVersion: 2, versions: [] };
    case 'group':
      return { ...about, ...holder, kind };
    case 'role':
      return { ...about, ...holder, kind, boundary: undefined, trust: '', description: '', maxSessionSeconds: 1 };
    default:
      return { ...about, ...holder, kind, boundary: undefined, groups: [], accessKeys: [], email: '' };
  }
}

const step = fc.record({
  account: fc.constantFrom(...accounts),
  kind: fc.constantFrom(...identityKinds),
  name: fc.constantFrom(...names),
  at: fc.nat(1),
  what: fc.constantFrom('write', 'write', 'write', 'rename', 'use', 'use', 'release', 'remove', 'key', 'revoke'),
});

const rowsOf = (rig: Rig, table: Table): Map<string, Buffer> =>
  new Map(
    Array.from(rig.kv.range({ start: tableStart(table), end: tableEnd(table) }), ({ key, value }) => [
      key.toString('latin1'),
      value,
    ]),
  );

function check(rig: Rig): void {
  const all = [...rowsOf(rig, 'identities').values()].map(decodeIdentity);
  const text = (key: Buffer) => key.toString('latin1');
  const wantedNames = all.map((one) => text(keys.identityName(one.account, identityKinds.indexOf(one.kind), one.name)));
  assert.deepEqual([...rowsOf(rig, 'identityNames').keys()], wantedNames.sort());
  const wantedUses = all.flatMap((one) =>
    usesOf(one).map(([use, target]) => text(keys.identityUse(one.account, target, identityUses.indexOf(use), one.id))),
  );
  assert.deepEqual([...rowsOf(rig, 'identityUses').keys()], wantedUses.sort());
  const counts = new Map<string, number>();
  for (const one of all) {
    const key = text(keys.identityCount(one.account, identityKinds.indexOf(one.kind)));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const held = rowsOf(rig, 'identityCounts');
  held.delete(text(keys.identityGeneration()));
  assert.deepEqual(new Map([...held].map(([key, row]) => [key, decodeNumber(row)])), new Map([...counts].sort()));
  for (const one of all) {
    for (const [use, target] of usesOf(one)) {
      const { identities } = rig.reader;
      const there = use === 'member' ? identities.identity(target) : identities.policy(target);
      assert.equal(there?.account, one.account, 'what is used is there, in the same account');
    }
    if (one.kind === 'user')
      for (const id of one.accessKeys)
        assert.equal(rig.reader.accessKey(id)?.user, one.id, 'the keys of a user are his');
  }
  for (const key of rig.reader.accessKeys()) {
    const user = rig.reader.identities.identity(key.user ?? '');
    assert.ok(user?.kind === 'user' && user.accessKeys.includes(key.id), 'a key has its user');
  }
}

it('names, uses and counts are those of the identities, whatever is done', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const rig = await Rig.open();
      for (const [at, id] of accounts.entries())
        await rig.do({ type: 'account.create', account: { id, canonicalId: String(at).repeat(64), name: id } }, 'done');
      for (const { account, kind, name, at, what } of steps) {
        const there = rig.reader.identities.identity(`${kind}-${account[0]}-${at}`);
        const policy = rig.reader.identities.named(account, 'policy', name);
        const group = rig.reader.identities.named(account, 'group', name);
        const write = (identity: IdentityRecord) => rig.do({ type: 'identity.write', identity }, 'done');
        try {
          if (what === 'write') await write(there ? { ...there } : draft(account, kind, name, at));
          else if (what === 'key') {
            const record = {
              id: `${account[0]}${name}${at}`,
              sealedSecret: Buffer.alloc(1),
              owner: '',
              name,
              role: 'readonly',
            } as const;
            await rig.do(
              { type: 'key.create', record: { ...record, buckets: [], account, user: `user-${account[0]}-${at}` } },
              'done',
            );
          } else if (what === 'revoke') await rig.do({ type: 'key.revoke', id: `${account[0]}${name}${at}` }, 'done');
          else if (!there) continue;
          else if (what === 'rename') await write({ ...there, name });
          else if (what === 'remove')
            await rig.do({ type: 'identity.remove', id: there.id, revision: there.revision }, 'done');
          else if (there.kind === 'policy') continue;
          else if (what === 'release')
            await write({ ...there, attached: [], ...(there.kind === 'user' && { groups: [], boundary: undefined }) });
          else {
            const attached = policy ? [...new Set([...there.attached, policyArn(policy)])] : there.attached;
            const own = there.kind === 'user' && { boundary: attached[0], groups: group ? [group.id] : there.groups };
            await write({ ...there, attached, ...own });
          }
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
        }
      }
      check(rig);
      await rig.crash();
      check(rig);
    }),
    { numRuns: Number(process.env['DSOM_IDENTITY_RUNS'] ?? 150) },
  );
});
