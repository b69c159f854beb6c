import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { lookingFor } from '../../host/patience.support.ts';
import { doubled, shardsInUseName } from '../../metadata/index.ts';
import { draftOf, inlinePiece } from '../../metadata/rig.support.ts';
import { bucketCommand } from './rig.fixture.ts';
import { nodes, Several } from './several.fixture.ts';

/*
 * A bucket on three nodes gets more shards, 1, 2, 4, by whatever node, while its keys are put, deleted and read through any of them, owners of shards are
 * cut off and answers get lost. Each key has one client, which asks one thing after the other, so what it may see is known: the last that was
 * acknowledged, or what was never answered. No key is ever in two shards.
 */

const objectShards = 4;
const keys = 8;

/** As often as they come. */
const kinds = [
  'put',
  'put',
  'put',
  'put',
  'delete',
  'delete',
  'delete',
  'read',
  'read',
  'read',
  'list',
  'grow',
  'grow',
].concat(['cut', 'behind', 'behind', 'outage', 'unheard', 'lostCall', 'heal', 'heal']);

const step = fc.record({
  kind: fc.constantFrom(...kinds),
  node: fc.nat(nodes - 1),
  shard: fc.nat(objectShards),
  key: fc.nat(keys - 1),
  turns: fc.nat(5),
});

const isRefusal = (error: unknown): boolean =>
  error instanceof StoreError && ['ServiceUnavailable', 'ConditionalRequestConflict'].includes(error.code);

/** What a key may hold, as its client knows: an ETag, or nothing. */
class Client {
  known: string | undefined;
  /** Of changes of which nobody said what became of them: they may be made at any time. */
  readonly maybe = new Set<string | undefined>();
  #last: Promise<unknown> = Promise.resolve();

  /** One thing after the other. */
  next(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async change(to: string | undefined, work: Promise<unknown>): Promise<void> {
    try {
      await work;
      this.known = to;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.maybe.add(to);
    }
  }

  allows(found: string | undefined): boolean {
    return found === this.known || this.maybe.has(found);
  }
}

describe('a bucket that gets more shards on several nodes', () => {
  it('loses no write, shows no old one, and has no key twice', { timeout: 280_000 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 70 }), async (steps) => {
        const several = new Several(objectShards);
        await several.start();
        const [first] = several.stores;
        await several.run(first!.propose({ type: 'feature.enable', feature: 'reshard' }));
        await several.run(first!.propose({ type: 'setting.write', name: shardsInUseName, value: '1' }));
        const made = await several.run(first!.propose(bucketCommand('bucket')));
        const id = made.reply.type === 'bucket' ? made.reply.bucket.id : 0;
        const clients = Array.from({ length: keys }, () => new Client());
        const keyOf = (at: number): Buffer => Buffer.from(`k${at}`);
        const textOf = (version: ReturnType<(typeof several.stores)[0]['reader']['version']>): string | undefined =>
          version?.kind === 'object' ? version.etag.toString('hex') : undefined;
        const running: Promise<unknown>[] = [];
        // Keys from before, which are all in one shard.
        for (const [at, client] of clients.entries()) {
          const piece = inlinePiece(`first ${at}`);
          const about = { bucket: id, key: keyOf(at), owner: 'o', guard: undefined, pieces: [piece] };
          const draft = draftOf(piece.size, piece.md5);
          await several.run(first!.propose({ type: 'object.put', ...about, draft }));
          client.known = piece.md5.toString('hex');
        }
        const list = (node: number): Map<string, string> => {
          const none = Buffer.alloc(0);
          const query = { bucket: id, prefix: none, delimiter: none, start: none, limit: 3 };
          const found = new Map<string, string>();
          let start = none;
          for (let more = true; more; ) {
            const page = several.stores[node]!.reader.list({ ...query, start });
            for (const item of page.items) {
              if (!('key' in item)) continue;
              assert.ok(!found.has(item.key.toString()), 'a key is listed once');
              found.set(item.key.toString(), item.etag.toString('hex'));
              start = Buffer.concat([item.key, Buffer.alloc(1)]);
            }
            more = page.truncated;
          }
          return found;
        };
        const read = async (node: number, at: number): Promise<void> => {
          await several.gates[node]!.latest({ bucket: 'bucket', key: keyOf(at) });
          const found = textOf(several.stores[node]!.reader.version(id, keyOf(at), undefined));
          assert.ok(clients[at]!.allows(found), `k${at} is ${found}, and should be ${clients[at]!.known}`);
        };
        const grow = async (node: number): Promise<void> => {
          const store = several.stores[node]!;
          const place = store.reader.bucketShards(id);
          const shards = place && doubled(place.shards, objectShards);
          if (!place || !shards) return;
          await store.propose({ type: 'bucket.reshard', name: 'bucket', shards, generation: place.generation });
        };
        for (const [turn, { kind, node, shard, key, turns }] of steps.entries()) {
          const store = several.stores[node]!;
          const client = clients[key]!;
          if (kind === 'put') {
            const piece = inlinePiece(`${turn}`);
            const about = { bucket: id, key: keyOf(key), owner: 'o', guard: undefined, pieces: [piece] };
            const draft = draftOf(piece.size, piece.md5);
            running.push(
              client.next(() =>
                client.change(piece.md5.toString('hex'), store.propose({ type: 'object.put', ...about, draft })),
              ),
            );
          } else if (kind === 'delete') {
            const items = [{ key: keyOf(key), version: undefined, guard: undefined }];
            running.push(
              client.next(() =>
                client.change(undefined, store.propose({ type: 'object.delete', bucket: id, owner: 'o', items })),
              ),
            );
          } else if (kind === 'read')
            running.push(
              client.next(() =>
                read(node, key).catch((error: unknown) => {
                  if (!isRefusal(error)) throw error;
                }),
              ),
            );
          else if (kind === 'grow')
            running.push(
              grow(node).catch((error: unknown) => {
                if (!isRefusal(error)) throw error;
              }),
            );
          else if (kind === 'list')
            running.push(
              (async () => {
                await several.gates[node]!.latest({ bucket: 'bucket' });
                list(node);
              })().catch((error: unknown) => {
                if (!isRefusal(error)) throw error;
              }),
            );
          // A node that hears nothing of a shard, and one that nobody can write.
          else if (kind === 'behind') several.rigs[shard]!.nodes[node]!.log.cut();
          else if (kind === 'outage') for (const one of several.rigs[shard]!.nodes) one.log.cut();
          else if (kind === 'cut') several.rigs[shard]!.owner?.log.cut();
          else if (kind === 'unheard') several.rigs[shard]!.appends.push('unheard');
          else if (kind === 'lostCall') several.rigs[shard]!.calls.push(key % 2 ? 'unheard' : 'lost');
          else several.heal();
          await several.pass(turns);
        }
        several.heal();
        await several.run(Promise.all(running));
        for (const node of several.stores.keys()) {
          await several.run(several.gates[node]!.latest());
          const listed = list(node);
          for (const at of clients.keys()) {
            await several.run(read(node, at));
            const key = keyOf(at);
            assert.equal(listed.get(key.toString()), textOf(several.stores[node]!.reader.version(id, key, undefined)));
            const held = several.rigs.filter((rig) => rig.nodes[node]!.shard.reader.holds(id, key));
            assert.ok(held.length <= 1, `k${at} is in ${held.length} shards`);
          }
        }
        // Nothing that was left half way stands in anybody's way.
        for (const [at, client] of clients.entries()) {
          const piece = inlinePiece(`last ${at}`);
          const about = { bucket: id, key: keyOf(at), owner: 'o', guard: undefined, pieces: [piece] };
          const put = several.stores[at % nodes]!.propose({
            type: 'object.put',
            ...about,
            draft: draftOf(piece.size, piece.md5),
          });
          await several.run(put);
          client.known = piece.md5.toString('hex');
          client.maybe.clear();
          await several.run(read((at + 1) % nodes, at));
        }
        await several.stop();
      }),
      { numRuns: 300, ...lookingFor(40_000) },
    ),
  );
});
