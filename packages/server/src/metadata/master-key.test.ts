import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sealedHeader } from '../codec/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { NodeRecord } from './machine/records.ts';
import {
  type MasterKeyRecord,
  type MasterKeyState,
  masterKeyOf,
  parseMasterKey,
  type SealedAnew,
  sealedInDocument,
} from './master-key.ts';
import { Rig } from './rig.support.ts';

const refused = (what: RegExp) => (error: unknown) =>
  error instanceof StoreError && error.code === 'InvalidRequest' && what.test(error.message);
const late = (error: unknown) =>
  error instanceof StoreError && error.code === 'ServiceUnavailable' && error.retryAfter !== undefined;

const name = (number: number, digit = number) => ({
  number,
  fingerprint: `${number}-${String(digit % 10).repeat(32)}`,
});
const write = (rig: Rig, state: MasterKeyState, of = name(2), more: { nodes?: string[]; endSessions?: boolean } = {}) =>
  rig.do({ type: 'masterKey.write', ...of, state, nodes: [], ...more }, 'done');
const record = (rig: Rig) => masterKeyOf(rig.reader);

/** Something that this master key sealed. */
const sealed = (number: number, text = 'x') => Buffer.concat([sealedHeader(number), Buffer.from(text)]);
const documentOf = (number: number, text = 'x') =>
  Buffer.from(JSON.stringify({ version: 1, endpoint: 'http://e', sealed: sealed(number, text).toString('base64') }));

const states: readonly MasterKeyState[] = ['spreading', 'sealing', 'resealing', 'sealed', 'removing'];
const next: Readonly<Record<MasterKeyState, MasterKeyState>> = {
  spreading: 'sealing',
  sealing: 'resealing',
  resealing: 'sealed',
  sealed: 'removing',
  removing: 'sealed',
};

/** Brings a rotation of key 2 to a state. */
async function bring(rig: Rig, state: MasterKeyState): Promise<void> {
  for (const one of states) {
    if (record(rig)?.state === state) return;
    await write(rig, one, name(2), { endSessions: true });
  }
}

const commands = {
  bucket: (rig: Rig, number: number, id = 'new-bucket') =>
    rig.do({ type: 'bucket.create', name: id, owner: 'o', region: 'r', wrappedKey: sealed(number) }, 'bucket'),
  accessKey: (rig: Rig, number: number, id = 'AKNEW') =>
    rig.do(
      {
        type: 'key.create',
        record: { id, sealedSecret: sealed(number), owner: 'root', name: 'n', role: 'readwrite', buckets: [] },
      },
      'done',
    ),
  namedKey: (rig: Rig, number: number, id = 'kms-new') =>
    rig.do({ type: 'kmsKey.create', id, name: id, wrapped: sealed(number) }, 'done'),
  target: (rig: Rig, number: number, id = 'target-new') =>
    rig.do({ type: 'target.write', name: id, record: documentOf(number) }, 'done'),
} as const;

describe('the record of the master key', () => {
  it('goes from state to state, and nowhere else', async () => {
    for (const state of states) {
      for (const wanted of states) {
        const rig = await Rig.open(1, 0);
        await bring(rig, state);
        const before = record(rig) as MasterKeyRecord;
        const again = wanted === 'spreading';
        const named = again ? name(state === 'spreading' ? 2 : 3, 7) : name(2);
        const written = write(rig, wanted, named, { endSessions: true });
        const allowed = again ? state === 'spreading' || state === 'sealed' : next[state] === wanted;
        if (!allowed) {
          await assert.rejects(written, refused(/wait until that has ended|does not become/));
          assert.deepEqual(record(rig), before);
          continue;
        }
        await written;
        assert.equal(record(rig)?.state, wanted);
        assert.equal(record(rig)?.fingerprint, named.fingerprint);
        await rig.crash();
        assert.equal(record(rig)?.state, wanted);
      }
    }
  });

  it('is of one key: another number or fingerprint takes no part in the rotation', async () => {
    const rig = await Rig.open(1, 0);
    await assert.rejects(write(rig, 'sealing'), refused(/the first one/));
    await assert.rejects(write(rig, 'spreading', name(1)), refused(/number 2, not 1/));
    await write(rig, 'spreading');
    for (const other of [name(3), name(2, 5)])
      await assert.rejects(write(rig, 'sealing', other), refused(/does not become/));
    await write(rig, 'spreading', name(2, 5));
    await assert.rejects(
      write(rig, 'sealing', name(2)),
      refused(/does not become/),
      'nodes had the key before it only',
    );
    await write(rig, 'sealing', name(2, 5));
  });

  it('goes on once every node has said that it is as far', async () => {
    const rig = await Rig.open(1, 0);
    const node = (id: string): NodeRecord => ({
      id,
      address: `${id}:7000`,
      apiAddress: `${id}:9000`,
      zone: 'z',
      roles: ['storage'],
      state: 'active',
      version: '1',
      features: ['settings', 'masterKeys'],
      incarnation: Buffer.alloc(8, 1),
    });
    for (const id of ['a', 'b']) await rig.metadata.propose({ type: 'node.write', node: node(id) });
    await write(rig, 'spreading');
    await assert.rejects(write(rig, 'sealing', name(2), { nodes: ['a'] }), refused(/not said.*: b/));
    await rig.metadata.propose({ type: 'node.write', node: node('c') });
    await assert.rejects(write(rig, 'sealing', name(2), { nodes: ['a', 'b'] }), refused(/: c/));
    await rig.metadata.propose({ type: 'node.write', node: { ...node('c'), state: 'removed' } });
    await write(rig, 'sealing', name(2), { nodes: ['a', 'b'] });
  });

  it('lets older keys be removed when no session can be good any more that they sealed, or when those are to end', async () => {
    const rig = await Rig.open(1, 0);
    await bring(rig, 'sealed');
    const { sinceMs } = record(rig) as MasterKeyRecord;
    await assert.rejects(write(rig, 'removing'), refused(/--end-sessions/));
    rig.host.advance(sinceMs + limits.userSessionSecondsMax * 1000 - rig.host.clock.now() - 1);
    await assert.rejects(write(rig, 'removing'), refused(/--end-sessions/));
    rig.host.advance(1);
    await write(rig, 'removing');
    assert.equal(record(rig)?.oldest, 2);
    const other = await Rig.open(1, 0);
    await bring(other, 'sealed');
    await write(other, 'removing', name(2), { endSessions: true });
  });

  it('that cannot be read decides nothing', async () => {
    const good = JSON.parse(JSON.stringify({ ...name(2), state: 'sealed', sinceMs: 1, oldest: 1 }));
    assert.deepEqual(parseMasterKey(JSON.stringify(good)), good);
    for (const bad of ['', '{', 'null', '7', '{}'].concat(
      [{ number: 0 }, { oldest: 3 }, { state: 'over' }, { fingerprint: 'x' }, { sinceMs: -1 }, { number: '2' }].map(
        (one) => JSON.stringify({ ...good, ...one }),
      ),
    ))
      assert.throws(() => parseMasterKey(bad), CorruptionError, bad);
    const rig = await Rig.open(1, 0);
    await rig.metadata.propose({ type: 'setting.write', name: 'masterKey', value: '{' });
    await assert.rejects(commands.bucket(rig, 1), CorruptionError);
  });
});

describe('what a master key sealed', () => {
  it('is taken under an older key only until every node seals with the newer one', async () => {
    for (const state of states)
      for (const [kind, make] of Object.entries(commands)) {
        const rig = await Rig.open(1, 0);
        await make(rig, 1, 'there-before');
        await bring(rig, state);
        const still = state === 'spreading' || state === 'sealing';
        if (still) await make(rig, 1);
        else await assert.rejects(make(rig, 1), late, `${kind} while ${state}`);
        await make(rig, 2, 'sealed-now');
      }
  });

  it('may be changed otherwise while it hangs on an older key', async () => {
    const rig = await Rig.open(1, 0);
    await commands.bucket(rig, 1, 'there-before');
    await commands.namedKey(rig, 1, 'kms-before');
    await bring(rig, 'resealing');
    await rig.do({ type: 'bucket.update', name: 'there-before', versioning: 'enabled' }, 'bucket');
    await rig.do({ type: 'kmsKey.change', id: 'kms-before', state: 'disabled' }, 'done');
    const version = { number: 2, wrapped: sealed(1) };
    await assert.rejects(rig.do({ type: 'kmsKey.change', id: 'kms-before', version }, 'done'), late);
    await rig.do({ type: 'kmsKey.change', id: 'kms-before', version: { number: 2, wrapped: sealed(2) } }, 'done');
  });

  it('is sealed anew in its place, and where it has changed meanwhile it stays what it is', async () => {
    const rig = await Rig.open(1, 0);
    const { bucket } = await commands.bucket(rig, 1, 'bucket-1');
    await commands.accessKey(rig, 1, 'AK1');
    await commands.namedKey(rig, 1, 'kms-1');
    await rig.do({ type: 'kmsKey.change', id: 'kms-1', version: { number: 2, wrapped: sealed(1, 'y') } }, 'done');
    await commands.target(rig, 1, 'target-1');
    await rig.do({ type: 'bucket.source', name: 'bucket-1', document: documentOf(1) }, 'done');
    const authority = {
      number: 1,
      state: 'trusted',
      certificate: Buffer.from('c'),
      sealed: sealed(1),
      before: [],
    } as const;
    await rig.do({ type: 'authority.write', authority }, 'done');
    await bring(rig, 'resealing');
    const items: SealedAnew[] = [
      { kind: 'bucket', name: 'bucket-1', before: sealed(1), after: sealed(2) },
      { kind: 'accessKey', name: 'AK1', before: sealed(1), after: sealed(2) },
      { kind: 'namedKey', name: 'kms-1', version: 1, before: sealed(1), after: sealed(2) },
      { kind: 'namedKey', name: 'kms-1', version: 2, before: sealed(1, 'y'), after: sealed(2, 'y') },
      { kind: 'target', name: 'target-1', before: documentOf(1), after: documentOf(2) },
      { kind: 'source', name: 'bucket-1', before: documentOf(1), after: documentOf(2) },
      { kind: 'authority', name: '', before: sealed(1), after: sealed(2) },
    ];
    const gone: SealedAnew[] = items
      .map((item) => ({ ...item, name: 'gone' }))
      .filter(({ kind }) => kind !== 'authority');
    const changed: SealedAnew[] = items.map((item) => ({ ...item, before: Buffer.from('what was read') }));
    const position = rig.reader.position();
    await rig.do({ type: 'masterKey.reseal', items: [...gone, ...changed] }, 'done');
    assert.equal(rig.reader.bucket('bucket-1')?.wrappedKey.equals(sealed(1)), true);
    assert.equal(rig.reader.position(), position, 'nothing to log');
    await rig.do({ type: 'masterKey.reseal', items }, 'done');
    const check = () => {
      const { reader } = rig;
      assert.deepEqual(reader.bucket('bucket-1')?.wrappedKey, sealed(2));
      assert.equal(reader.bucket('bucket-1')?.id, bucket.id);
      assert.deepEqual(reader.accessKey('AK1')?.sealedSecret, sealed(2));
      assert.deepEqual(reader.kms.byId('kms-1')?.versions, [sealed(2), sealed(2, 'y')]);
      assert.deepEqual(reader.targets().get('target-1'), documentOf(2));
      assert.deepEqual(reader.source(bucket.id), documentOf(2));
      assert.deepEqual(reader.authority(), { ...authority, sealed: sealed(2) });
    };
    check();
    await rig.crash();
    check();
    await assert.rejects(
      rig.do(
        { type: 'masterKey.reseal', items: items.map((one) => ({ ...one, before: one.after, after: one.before })) },
        'done',
      ),
      late,
    );
  });

  it('is found in documents, and nothing where there is none', () => {
    assert.deepEqual(sealedInDocument(documentOf(3)), sealed(3));
    for (const bad of ['', '{', '{}', 'null', '{"sealed":7}'])
      assert.equal(sealedInDocument(Buffer.from(bad)).length, 0);
  });
});
