import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Usage } from '../../metadata/index.ts';
import { crossCheck } from '../index.ts';
import { drive, group, seededHost } from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';

const [ann, ben, tenant] = ['AIDAANN', 'AIDABEN', '000000000000'];

/** Two users who write small objects; every third is nobody's. */
function written(): Replica {
  const replica = new Replica([group(1, 0, 1)]);
  for (let i = 0; i < 12; i++) {
    replica.writer = [ann, ben, undefined][i % 3];
    replica.put(`k${i}`, [{ ...replica.piece([]), size: 10 + i, body: { inline: Buffer.alloc(20) } }]);
  }
  replica.usage.set(tenant, { objects: replica.counts.versions, bytes: replica.counts.bytes });
  return replica;
}

async function check(replica: Replica, meanwhile: () => void = () => {}) {
  const host = seededHost(1);
  const running = crossCheck({ reader: replica.reader, groups: () => replica.groups, stores: new Map(), host });
  let over = false;
  void running.report.then(() => (over = true));
  while (!over) {
    meanwhile();
    await Promise.resolve();
  }
  return (await drive(host, running.report)).findings.map(({ kind, where, what }) => `${kind} of ${where}: ${what}`);
}

describe('what tenants and users are counted to have', () => {
  it('is no finding where it is what they have, also of those who have nothing any more', async () => {
    const replica = written();
    for (const { record } of replica.versions.filter(({ key }) => /k(1|4|7|10)$/.test(key.toString())))
      replica.delete(record);
    replica.usage.set(tenant, { objects: 8, bytes: replica.counts.bytes });
    assert.deepEqual(replica.usage.get(ben), { objects: 0, bytes: 0 });
    assert.deepEqual(await check(replica), []);
  });

  for (const name of [ann, tenant])
    for (const [unit, by] of [
      ['objects', 1],
      ['objects', -1],
      ['bytes', 1],
      ['bytes', -1],
    ] as const)
      it(`is a finding where ${name} has ${by} ${unit} more`, async () => {
        const replica = written();
        const right = replica.usage.get(name) as Usage;
        const wrong = { ...right, [unit]: right[unit] + by };
        replica.usage.set(name, wrong);
        const [found, ...others] = await check(replica);
        assert.match(
          found as string,
          new RegExp(
            `^usage-counts of (user|tenant) ${name}: .* ${wrong.objects} objects and ${wrong.bytes} bytes, .* ${right.objects} objects and ${right.bytes} bytes`,
          ),
        );
        assert.deepEqual(others, []);
      });

  it('has the parts of open uploads', async () => {
    const replica = written();
    const id = Buffer.alloc(16, 0);
    id.writeBigUInt64BE(2n ** 50n + 3n);
    const about = { initiatedMs: 0, owner: 'root', storageClass: 'STANDARD', headers: {}, metadata: [], tags: [] };
    const none = { checksumAlgorithm: undefined, checksumType: undefined, wrappedKey: Buffer.alloc(60) };
    replica.uploads.push({ id, bucket: 1, key: Buffer.from('u'), ...about, ...none });
    replica.counts.uploads += 1;
    replica.parts.set(id.toString('hex'), [{ number: 1, modifiedMs: 0, piece: { ...replica.piece([]), size: 77 } }]);
    replica.writers.set(2 ** 50 + 3, ben);
    const before = replica.usage.get(ben) as Usage;
    assert.match((await check(replica))[0] as string, /usage-counts of user AIDABEN/);
    replica.usage.set(ben, { ...before, bytes: before.bytes + 77 });
    assert.deepEqual(await check(replica), []);
  });

  it('says nothing of what changes meanwhile', async () => {
    const replica = written();
    let turn = 0;
    const findings = await check(replica, () => {
      const [first] = replica.versions;
      replica.writer = ann;
      if (turn++ % 2 === 0)
        replica.put(`new${turn}`, [{ ...replica.piece([]), size: turn, body: { inline: Buffer.alloc(9) } }]);
      else if (first) replica.delete(first.record);
      replica.usage.set(tenant, { objects: replica.counts.versions, bytes: replica.counts.bytes });
    });
    assert.deepEqual(findings, []);
  });
});
