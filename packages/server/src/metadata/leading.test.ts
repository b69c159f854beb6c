import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Cluster, dumpOf } from './cluster.support.ts';
import { encodeEntry } from './machine/entry.ts';
import { keys } from './machine/keys.ts';
import { localNumber } from './machine/numbering.ts';

const code = (expected: string) => (error: StoreError) => error.code === expected;
const says = (expected: string, what: RegExp) => (error: StoreError) =>
  error.code === expected && what.test(error.message);

describe('replicas of a shared log', () => {
  it('follow what the one that leads decides, to the same rows', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    for (let n = 0; n < 20; n++) await leader.put(bucket, `k${n}`, `${n}`);
    await cluster.settle();
    assert.equal(leader.replica.statistics().leading, true);
    for (const node of cluster.nodes) {
      assert.equal(node.replica.applied(), cluster.log.head);
      assert.deepEqual(dumpOf(node.kv), dumpOf(leader.kv));
      assert.ok(node.has(bucket, 'k19'));
    }
    await cluster.stop();
  });

  it('let go of the log behind snapshots of most of them, which only the one that leads can', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    for (let n = 0; n < 20; n++) await leader.put(bucket, `k${n}`, `${n}`);
    await cluster.settle();
    const [, second, third] = cluster.nodes;
    await second!.replica.checkpoint();
    await third!.replica.checkpoint();
    assert.equal(cluster.log.tail, 1);
    await leader.replica.checkpoint();
    assert.equal(cluster.log.tail, cluster.log.head);
    // The next owner goes on with it.
    leader.crash();
    await cluster.advance(5000);
    const next = cluster.leader!;
    await next.put(bucket, 'last', '1');
    await cluster.settle();
    for (const node of cluster.nodes) if (node !== leader) await node.replica.checkpoint();
    for (const node of cluster.nodes) if (node !== leader) await node.replica.checkpoint();
    await next.put(bucket, 'more', '1');
    await next.replica.checkpoint();
    assert.ok(cluster.log.tail > 21, `${cluster.log.tail}`);
    await cluster.stop();
  });

  it('tell when readers see a position, and not before', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    const follower = cluster.nodes[1]!;
    follower.log.cut();
    const { position } = await leader.put(bucket, 'k', '1');
    let seen = false;
    const reached = follower.replica.reached(position).then(() => {
      seen = true;
      assert.ok(follower.has(bucket, 'k'));
    });
    await follower.replica.reached(position, AbortSignal.abort());
    await cluster.settle();
    assert.equal(seen, false);
    assert.equal(follower.has(bucket, 'k'), false);
    follower.log.heal();
    await cluster.advance(limits.followRetryMs);
    await reached;
    const hopeless = assert.rejects(follower.replica.reached(position + 100), code('ServiceUnavailable'));
    await cluster.stop();
    await hopeless;
  });

  it('go on with another that leads: nothing lost, nothing twice, no answer from the past', async () => {
    const cluster = new Cluster();
    const old = await cluster.start();
    const bucket = await cluster.bucket(old);
    await old.put(bucket, 'a', '1');
    old.log.pause();
    const lost = assert.rejects(old.put(bucket, 'b', '2'), says('ServiceUnavailable', /may have been made or not/));
    await cluster.settle();
    const refused = assert.rejects(
      old.propose({ type: 'bucket.delete', name: 'none' }),
      says('ServiceUnavailable', /was not made/),
    );
    await cluster.advance(4000);
    const leader = cluster.leader!;
    assert.ok(cluster.nodes.indexOf(leader) > 0);
    assert.ok(leader.has(bucket, 'a'));
    await leader.put(bucket, 'c', '3');
    old.log.resume();
    await cluster.advance(1000);
    await lost;
    await refused;
    assert.equal(old.term, undefined);
    for (const node of cluster.nodes) {
      assert.equal(node.has(bucket, 'b'), false);
      assert.equal(node.replica.reader.bucket('bucket')!.counts.objects, 2);
      assert.deepEqual(dumpOf(node.kv), dumpOf(leader.kv));
    }
    await cluster.stop();
  });

  it('apply by following what was logged and not heard of, once', async () => {
    const cluster = new Cluster({ nodes: 1 });
    const node = await cluster.start();
    const bucket = await cluster.bucket(node);
    cluster.fates.push('unheard');
    await assert.rejects(node.put(bucket, 'a', '1'), says('ServiceUnavailable', /may have been made or not/));
    await cluster.advance(4000);
    assert.ok(node.has(bucket, 'a'));
    await node.put(bucket, 'b', '2');
    assert.equal(node.replica.reader.bucket('bucket')!.counts.objects, 2);
    cluster.fates.push('lost');
    await assert.rejects(node.put(bucket, 'c', '3'), says('ServiceUnavailable', /may have been made or not/));
    await cluster.advance(4000);
    assert.equal(node.has(bucket, 'c'), false);
    await cluster.stop();
  });

  it('never answer without an entry what was decided while another leads', async () => {
    const cluster = new Cluster();
    const old = await cluster.start();
    const bucket = await cluster.bucket(old);
    cluster.log.depose();
    await cluster.settle();
    const leader = cluster.nodes.find((node) => node !== old && node.term)!;
    await leader.put(bucket, 'k', '1');
    // The old one has not looked at its lease since.
    const items = [{ key: Buffer.from('other'), version: undefined, guard: undefined }];
    await assert.rejects(
      old.propose({ type: 'object.delete', bucket, owner: 'o', items }),
      says('ServiceUnavailable', /was not made/),
    );
    await cluster.stop();
  });

  it('answer what changes nothing only while the log can be asked', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    await cluster.bucket(leader);
    await assert.rejects(leader.propose({ type: 'bucket.delete', name: 'none' }), code('NoSuchBucket'));
    leader.log.cut();
    await assert.rejects(leader.propose({ type: 'bucket.delete', name: 'none' }), code('ServiceUnavailable'));
    leader.log.heal();
    await assert.rejects(leader.propose({ type: 'bucket.delete', name: 'none' }), code('NoSuchBucket'));
    await cluster.stop();
  });

  it('begin a term on the whole log, however late they saw it', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    const late = cluster.nodes[1]!;
    late.crash();
    for (let n = 0; n < 600; n++) await leader.put(bucket, `k${n}`, '1');
    cluster.nodes[2]!.crash();
    await leader.stop();
    late.open();
    const owned = (await late.log.own(new AbortController().signal))!;
    assert.equal(late.replica.applied(), 0);
    const term = await late.replica.lead(owned);
    assert.equal(late.replica.applied(), cluster.log.head);
    assert.ok(late.has(bucket, 'k599'));
    assert.equal(term.statistics().replayed, cluster.log.head);
    await cluster.stop();
  });

  it('are not taken for another state of the same log', async () => {
    const cluster = new Cluster({ nodes: 2 });
    const leader = await cluster.start();
    const other = cluster.nodes[1]!;
    await cluster.bucket(leader);
    await other.replica.checkpoint();
    other.crash();
    const key = keys.meta(1);
    const applied = Buffer.from(other.kv.get(key)!);
    applied[20]! ^= 1;
    other.kv.commit([[key, applied]]);
    other.open();
    await cluster.bucket(leader, 'more');
    await cluster.settle();
    assert.equal(other.replica.failureKind(), 'diverged');
    assert.match(other.replica.failure()!, /is not that of this log/);
    await cluster.stop();
  });

  it('forget with the term what it kept in hand', async () => {
    const cluster = new Cluster({ nodes: 2 });
    const [first, second] = cluster.nodes;
    await cluster.start();
    const bucket = await cluster.bucket(first!);
    await first!.put(bucket, 'k', '1');
    await first!.term!.close();
    await cluster.settle();
    assert.equal(cluster.leader, second);
    await second!.propose({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' });
    await second!.put(bucket, 'k', '2');
    await second!.term!.close();
    await cluster.settle();
    assert.equal(cluster.leader, first);
    const { reply } = await first!.put(bucket, 'k', '3');
    assert.ok(reply.type === 'version' && !reply.version.isNull && localNumber(reply.version.sequence) === 3);
    assert.equal(first!.replica.reader.bucket('bucket')!.counts.versions, 3);
    await cluster.stop();
  });

  it('go on by themselves when the log was out of reach', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    const follower = cluster.nodes[2]!;
    follower.log.cut();
    for (let n = 0; n < 300; n++) await leader.put(bucket, `k${n}`, '1');
    await cluster.advance(5000);
    assert.ok(follower.replica.applied() < cluster.log.head);
    assert.ok(follower.log.age() >= 5000);
    follower.log.heal();
    await cluster.advance(limits.followRetryMs);
    assert.equal(follower.replica.applied(), cluster.log.head);
    await cluster.stop();
  });

  it('serve what they have while the log is out of reach at their start, and lead only once it is not', async () => {
    const cluster = new Cluster({ nodes: 2 });
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    await leader.put(bucket, 'k', '1');
    await leader.replica.checkpoint();
    leader.crash();
    leader.open();
    leader.log.cut();
    assert.ok(leader.has(bucket, 'k'));
    await cluster.settle();
    leader.log.heal();
    leader.run();
    await cluster.advance(4000);
    assert.equal(leader.replica.failure(), undefined);
    assert.equal(leader.replica.applied(), cluster.log.head);
    await cluster.stop();
  });

  it('say by kind what they need: another state, older entries, or another version', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    const [, diverged, behind] = cluster.nodes;
    await leader.put(bucket, 'k', '1');
    await cluster.settle();
    const key = keys.object(bucket, Buffer.from('k'));
    const row = Buffer.from(diverged!.kv.get(key)!);
    row[40]! ^= 1;
    diverged!.kv.commit([[key, row]]);
    behind!.log.cut();
    await leader.put(bucket, 'k', '2');
    await leader.propose({ type: 'digest' });
    await cluster.settle();
    assert.equal(diverged!.replica.failureKind(), 'diverged');
    assert.match(diverged!.replica.failure()!, /digest/);
    await assert.rejects(diverged!.replica.reached(cluster.log.head), code('ServiceUnavailable'));

    await diverged!.install(leader);
    await cluster.settle();
    assert.equal(diverged!.replica.failureKind(), undefined);
    for (const node of [diverged!, leader]) await node.replica.checkpoint();
    assert.ok(cluster.log.tail > behind!.replica.applied() + 1);
    behind!.log.heal();
    await cluster.advance(limits.followRetryMs);
    assert.equal(behind!.replica.failureKind(), 'behind');
    await behind!.install(diverged!);
    await cluster.settle();
    assert.deepEqual(dumpOf(behind!.kv), dumpOf(leader.kv));
    await cluster.stop();
  });

  it('stop at an entry that they do not know or that does not fit, whoever leads', async () => {
    for (const [payload, kind] of [
      [Buffer.from([1, 200]), 'unknown'],
      [encodeEntry([{ type: 'garbage.remove', position: 1, ordinal: 0, end: 1 }]), 'diverged'],
    ] as const) {
      const cluster = new Cluster({ nodes: 2 });
      const [node] = cluster.nodes;
      const other = cluster.log.open('other');
      const owned = (await other.own(new AbortController().signal))!;
      await owned.append(Buffer.alloc(0));
      await owned.append(payload);
      await cluster.settle();
      assert.equal(node!.replica.applied(), 1, 'an entry without payload is the own one of the log');
      assert.equal(node!.replica.failureKind(), kind);
      await cluster.stop();
    }
  });

  it('are refused the lead of a log that ends before their state', async () => {
    const cluster = new Cluster({ nodes: 1 });
    const node = await cluster.start();
    await cluster.bucket(node);
    await node.replica.checkpoint();
    const other = new Cluster({ nodes: 1 });
    other.nodes[0]!.crash();
    other.nodes[0]!.kv = node.kv;
    other.nodes[0]!.open();
    await other.settle();
    assert.equal(other.nodes[0]!.replica.failureKind(), 'diverged');
    await cluster.stop();
  });

  it('give the lead back when they close, after what waited was answered', async () => {
    const cluster = new Cluster({ nodes: 2 });
    const first = await cluster.start();
    const bucket = await cluster.bucket(first);
    const put = first.put(bucket, 'k', '1');
    const stopping = first.stop();
    await put;
    await stopping;
    await cluster.settle();
    assert.equal(cluster.leader, cluster.nodes[1]);
    assert.ok(cluster.nodes[1]!.has(bucket, 'k'));
    await assert.rejects(first.replica.reached(1000), code('ServiceUnavailable'));
    await cluster.stop();
  });

  it('feed what happened, from wherever the log still begins', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const bucket = await cluster.bucket(leader);
    const feed = cluster.nodes[1]!.replica.feed('test', 1);
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { events } of feed.changes(stop.signal)) seen.push(...events.map(({ type }) => type));
    })();
    await leader.put(bucket, 'k', '1');
    await cluster.settle();
    assert.deepEqual(seen, ['bucket.written', 'version.created']);
    assert.equal(feed.lost, false);
    for (const node of [...cluster.nodes].reverse()) await node.replica.checkpoint();
    assert.equal(feed.lost, true);
    stop.abort();
    await reading;
    await cluster.stop();
  });
});
