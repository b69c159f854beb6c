import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localNumber, type MetadataReader, numberOf } from '../../metadata/index.ts';
import { storedBytes } from '../address.ts';
import { crossCheck, openStripeStore } from '../index.ts';
import { drive, group, memoryStores, seededHost } from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';

/** All that the replica has, as that of shard 1 beside a system shard that is hardly used. */
const asSecond = ({ reader }: Replica): MetadataReader => ({
  ...reader,
  shards: 2,
  position: (shard = 0) => (shard === 0 ? 1 : numberOf(1, reader.position())),
  garbage: (limit, after) =>
    reader
      .garbage(limit, after && { ...after, position: localNumber(after.position) })
      .map((row) => ({ ...row, position: numberOf(1, row.position) })),
});

test('what is garbage in any shard and pointed to all the same is found', async () => {
  const host = seededHost(1);
  const stores = memoryStores(3);
  const replica = new Replica([group(1, 0, 1)]);
  const store = openStripeStore({
    groups: () => replica.groups,
    access: stores,
    proposer: replica.proposer,
    host,
    owned: () => true,
    onDamage: () => undefined,
  });
  const made = { id: Buffer.alloc(0), group: 0, length: 100, frames: undefined };
  const writer = await store.create({ copies: 2 }, storedBytes(made));
  await writer.append([Buffer.alloc(storedBytes(made))]);
  await writer.seal();
  replica.put('key', [replica.piece([{ ...made, id: writer.id, group: writer.group }])]);
  const check = () =>
    drive(host, crossCheck({ reader: asSecond(replica), groups: () => replica.groups, stores, host }).report);
  assert.deepEqual((await check()).findings, []);
  replica.position += 1;
  replica.garbage.push({
    position: replica.position,
    ordinal: 0,
    piece: 0,
    stripes: [{ id: writer.id, group: writer.group }],
  });
  assert.deepEqual(
    (await check()).findings.map(({ kind }) => kind),
    ['stripe-condemned'],
  );
});
