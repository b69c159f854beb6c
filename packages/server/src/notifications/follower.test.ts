/* Delivery from the log of a shard: every event, in the order of its key, over crashes, refusals and a log that is cut. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { memoryVolume } from '../device/index.ts';
import { type Host, realHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { openEmbeddedLog } from '../log/index.ts';
import { type Command, type Metadata, openMetadata } from '../metadata/index.ts';
import { draftOf, inlinePiece } from '../metadata/rig.support.ts';
import { startDeliverer } from './deliverer.ts';
import { failedEvent, RefusalError } from './failed.ts';
import type { FollowedShard } from './follower.ts';
import type { Message } from './record.ts';
import type { Sender } from './targets.ts';

/** A host whose time goes so many times as fast; on the wall it stays. */
function hurried(times: number): Host {
  const host = realHost();
  const { timers, clock } = host;
  return {
    ...host,
    clock: { ...clock, now: () => clock.now(), monotonic: () => clock.monotonic() * times },
    timers: {
      ...timers,
      after: (ms, run) => timers.after(ms / times, run),
      every: (ms, run) => timers.every(Math.max(1, ms / times), run),
      sleep: (ms, signal) => timers.sleep(ms / times, signal),
      soon: (run) => timers.soon(run),
    },
  };
}

type Taken = Readonly<Record<'event' | 'key' | 'sequencer', string>>;

const takenOf = ({ body }: Message): Taken => {
  const value = JSON.parse(body.toString('utf8'));
  if (value.Event) return { event: value.Event, key: `${value.FromPosition}-${value.ToPosition}`, sequencer: '' };
  const [{ eventName, s3 }] = value.Records;
  return { event: eventName, key: s3.object.key, sequencer: s3.object.sequencer };
};

/** What is kept of a target, as far as it is looked at here. */
const record = (createdMs = 0): Buffer => Buffer.from(JSON.stringify({ version: 1, kind: 'webhook', createdMs }));

const stores: Store[] = [];
// A test that failed must not keep its process alive.
afterEach(async () => {
  for (const store of stores.splice(0)) await store.deliverer?.stop();
});

class Store {
  readonly host: Host;
  readonly volume = memoryVolume();
  kv: ReturnType<typeof memoryKv>;
  log!: Awaited<ReturnType<typeof openEmbeddedLog>>;
  metadata!: Metadata;
  targets = new Map<string, Buffer>([['hook', record()]]);
  readonly taken: Taken[] = [];
  refuse: (message: Message) => boolean = () => false;
  unwanted: (message: Message) => boolean = () => false;
  givenUp: () => void = () => {};
  under = 0;
  most = 0;
  readonly underWay = new Set<string>();
  bucket = 0;
  life = 0;
  deliverer: ReturnType<typeof startDeliverer> | undefined;
  readonly said: string[] = [];

  readonly tailBytes: number;

  /** @param tailBytes the log is cut beyond it, whoever has not followed yet */
  constructor(times = 50, tailBytes = 65_536) {
    this.host = hurried(times);
    this.kv = memoryKv(this.host);
    this.tailBytes = tailBytes;
    stores.push(this);
  }

  async open(): Promise<this> {
    const { host, volume, tailBytes } = this;
    this.log = await openEmbeddedLog({
      volume,
      host,
      limits: { segmentBytes: 16_384, smallSegmentBytes: 16_384, entryBytes: 8192, tailBytes },
    } as never);
    this.metadata = await openMetadata({ log: this.log, kv: this.kv, host, shard: 0 });
    if (this.bucket === 0) {
      const made = { name: 'bucket', owner: 'o', region: 'r', wrappedKey: Buffer.alloc(4) };
      const { reply } = await this.metadata.propose({ type: 'bucket.create', ...made });
      this.bucket = (reply as { bucket: { id: number } }).bucket.id;
    }
    return this;
  }

  get sender(): Sender {
    const { life } = this;
    return {
      gaveUp: async () => this.givenUp(),
      send: async (message) => {
        const { key } = takenOf(message);
        assert.ok(!this.underWay.has(key), 'one event of a key is under way at a time');
        this.underWay.add(key);
        this.under++;
        this.most = Math.max(this.most, this.under);
        await this.host.timers.sleep(40);
        if (life !== this.life) throw new Error('the process is dead');
        this.under--;
        this.underWay.delete(key);
        if (this.refuse(message)) throw new Error('it is away');
        if (this.unwanted(message)) throw new RefusalError('it answered with status 404');
        this.taken.push(takenOf(message));
      },
      close: async () => {},
    };
  }

  start(): void {
    const { metadata, log } = this;
    const shard: FollowedShard = {
      number: 0,
      tail: () => log.tail,
      head: () => log.head,
      followers: () => metadata.reader.followers(),
      failed: (target) => {
        const events = [...metadata.reader.memos('failedEvents', `${target}/`)];
        return new Map(events.map(([name, event]) => [name.slice(target.length + 1), event]));
      },
      feed: (name, from) => metadata.feed(name, from),
      propose: (command) => metadata.propose(command),
      leads: () => true,
    };
    this.deliverer = startDeliverer({
      shards: [shard],
      targets: () => this.targets,
      host: this.host,
      onEvent: (text) => void this.said.push(text),
      open: async (name) => {
        if (name === 'broken') throw new Error('it does not open');
        return this.sender;
      },
    });
  }

  announce(event: string, target = 'hook'): Pick<Extract<Command, { type: 'object.put' }>, 'announce'> {
    const origin = {
      requestId: 'r',
      hostId: 'h',
      principal: 'p',
      address: '127.0.0.1',
      reason: 'PutObject',
      bucketName: 'bucket',
      bucketOwner: 'o',
      region: 'r',
    };
    const names = event.startsWith('ObjectRemoved')
      ? (['ObjectRemoved:Delete', 'ObjectRemoved:DeleteMarkerCreated'] as const)
      : ([event] as ['ObjectCreated:Put']);
    const destinations = names.map((name) => ({ event: name, target, configuration: 'c', shape: 's3' as const }));
    return { announce: { origin, destinations } };
  }

  put(key: string, size = 10, target = 'hook'): Promise<unknown> {
    const piece = inlinePiece('x'.repeat(size));
    return this.metadata.propose({
      type: 'object.put',
      bucket: this.bucket,
      key: Buffer.from(key),
      owner: 'o',
      guard: undefined,
      draft: draftOf(piece.size, piece.md5),
      pieces: [piece],
      ...this.announce('ObjectCreated:Put', target),
    });
  }

  remove(key: string): Promise<unknown> {
    const item = { key: Buffer.from(key), version: undefined, guard: undefined };
    return this.metadata.propose({
      type: 'object.delete',
      bucket: this.bucket,
      owner: 'o',
      items: [{ ...item, ...this.announce('ObjectRemoved:Delete') }],
    });
  }

  /** The process dies at once: nothing that it had under way is written. */
  async crash(): Promise<void> {
    const { deliverer } = this;
    this.deliverer = undefined;
    this.life++;
    void deliverer?.stop();
    await this.log.close();
    this.kv = this.kv.crash();
    this.refuse = () => false;
    this.under = 0;
    this.underWay.clear();
    await this.open();
  }

  until(condition: () => boolean, what: string): Promise<void> {
    const state = () => ({ taken: this.taken.slice(-5), said: this.said, status: this.deliverer?.status() });
    return until(condition, () => `${what}: ${JSON.stringify(state())}`);
  }
}

/** The events of each key in the order in which they were taken the first time. */
function byKey(taken: readonly Taken[]): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  for (const { key, sequencer } of taken) {
    const list = seen.get(key) ?? [];
    if (!list.includes(sequencer)) list.push(sequencer);
    seen.set(key, list);
  }
  return seen;
}

describe('a follower of a shard', () => {
  it('delivers every event, in the order of its key, several at a time, and writes how far it is', async () => {
    const store = await new Store().open();
    store.start();
    for (let round = 0; round < 4; round++)
      await Promise.all(Array.from({ length: 10 }, (_, at) => store.put(`k${at}`)));
    await store.remove('k3');
    await store.until(() => store.taken.length === 41, 'all are delivered');
    for (const [key, sequencers] of byKey(store.taken)) {
      assert.deepEqual(sequencers, [...sequencers].sort(), 'in order');
      assert.equal(sequencers.length, key === 'k3' ? 5 : 4);
    }
    assert.ok(store.most > 4 && store.most <= 16, `${store.most} at a time`);
    assert.equal(store.taken.filter(({ event }) => event === 'ObjectRemoved:Delete').length, 1);
    const { position } = store.metadata.statistics();
    await store.until(
      () => (store.metadata.reader.followers().get('notifications/hook') ?? 0) > position - 3,
      'written',
    );
    await store.deliverer?.stop();
  });

  it('delivers after a crash what was not taken, and again at most what was not written', async () => {
    const store = await new Store().open();
    store.start();
    await Promise.all(Array.from({ length: 20 }, (_, at) => store.put(`a${at}`)));
    await store.until(() => store.taken.length >= 5, 'some are delivered');
    await store.crash();
    await Promise.all(Array.from({ length: 20 }, (_, at) => store.put(`b${at}`)));
    store.start();
    await store.until(() => new Set(store.taken.map(({ key }) => key)).size === 40, 'all are delivered');
    await store.deliverer?.stop();
    const before = store.taken.length;
    store.start();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(store.taken.length, before, 'what was written is not delivered again');
    await store.deliverer?.stop();
  });

  it('waits for a target that is away, and does not write past what it has not taken', async () => {
    const store = await new Store().open();
    store.refuse = (message) => takenOf(message).key === 'stuck';
    store.start();
    await store.put('first');
    await store.put('stuck');
    const stuckAt = store.log.head;
    for (let at = 0; at < 10; at++) await store.put(`later${at}`);
    await store.until(() => store.taken.length === 11, 'others go on');
    await store.until(() => (store.metadata.reader.followers().get('notifications/hook') ?? 0) === stuckAt, 'up to it');
    await store.crash();
    store.start();
    await store.until(() => store.taken.some(({ key }) => key === 'stuck'), 'it is taken at last');
    await store.deliverer?.stop();
    assert.ok(store.said.some((text) => text.includes('does not take events')));
  });

  it('gives up an event that the target refuses for good, keeps it, and goes on with its key', async () => {
    const store = await new Store(1000).open();
    const kept = () => [...store.metadata.reader.memos('failedEvents', 'hook/').values()].map(failedEvent);
    let tries = 0;
    let first = '';
    const heard: number[] = [];
    store.givenUp = () => heard.push(kept().length);
    /** When the target was away for the other one, ms. */
    const away: number[] = [];
    store.unwanted = (message) => {
      const { key, sequencer } = takenOf(message);
      if (key !== 'bad') return false;
      first ||= sequencer;
      if (sequencer !== first) return false;
      tries++;
      assert.deepEqual(kept(), [], 'it is not kept before its time');
      return true;
    };
    store.refuse = (message) => {
      if (takenOf(message).key !== 'away') return false;
      away.push(store.host.clock.monotonic());
      return true;
    };
    store.start();
    await store.put('bad');
    await store.put('bad');
    await store.put('away');
    await store.until(() => kept().length === 1, 'it is kept');
    const [failed] = kept();
    assert.ok(tries >= limits.noticeRefusals && failed?.tries === tries, `${tries} tries`);
    assert.deepEqual(
      [failed?.event, failed?.bucket, failed?.key, failed?.failure],
      ['s3:ObjectCreated:Put', 'bucket', 'bad', 'it answered with status 404'],
    );
    assert.equal(takenOf({ id: '', body: Buffer.from(failed?.body ?? '') }).sequencer, first);
    await store.until(() => store.taken.some(({ key }) => key === 'bad'), 'the next one of its key is delivered');
    assert.equal(store.deliverer?.status()[0]?.refused, 1);
    const late = () => away.slice(limits.noticeRefusals).filter((ms) => ms - away[0]! > limits.noticeRefusedMs);
    await store.until(() => late().length > 2, 'a target in trouble is tried on: its events are not given up');
    assert.equal(kept().length, 1, 'and only what was refused is kept');
    assert.deepEqual(heard, [0], 'the sender hears of it once, before it is kept');
    await store.crash();
    assert.equal(kept().length, 1, 'what is kept outlives the process');
    store.unwanted = () => false;
    store.start();
    await store.until(() => store.taken.some(({ key }) => key === 'away'), 'the other one is delivered at last');
    // What was below the written position when the process died may come again, the kept one with it: at least once.
    store.targets = new Map();
    await store.until(() => kept().length === 0, 'nothing is kept for a target that is gone');
    await store.deliverer?.stop();
  });

  it('does not wait for another target', async () => {
    const store = await new Store(50, 2 ** 20).open();
    store.targets.set('other', record());
    store.refuse = (message) => takenOf(message).key.startsWith('hook');
    store.start();
    for (let at = 0; at < 300; at++) await store.put(`hook${at}`, 1, 'hook');
    await store.put('fine', 1, 'other');
    await store.until(() => store.taken.some(({ key }) => key === 'fine'), 'the other one has its event');
    const waiting = () => store.deliverer?.status().find(({ target }) => target === 'hook')?.waiting ?? 0;
    await store.until(() => waiting() >= limits.noticesAhead, 'as many as may be are read ahead');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(waiting(), limits.noticesAhead, 'and no more');
    await store.deliverer?.stop();
  });

  it('does not wait for one that cannot be opened, which is said once', async () => {
    const store = await new Store().open();
    store.targets = new Map([
      ['broken', record()],
      ['hook', record()],
    ]);
    store.start();
    await store.put('fine');
    await store.until(() => store.taken.length === 1, 'the other one has its event');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(store.said.filter((text) => text.includes('cannot be read')).length, 1);
    await store.deliverer?.stop();
  });

  it('tells the target when the log was cut before its events were delivered, never nothing', async () => {
    const store = await new Store().open();
    store.refuse = () => true;
    store.start();
    await store.put('lost', 1000);
    await store.until(() => store.metadata.reader.followers().size > 0, 'its position is written');
    for (let at = 0; at < 300; at++) {
      await store.put(`k${at}`, 1000);
      if (at % 50 === 49) await store.metadata.checkpoint();
    }
    assert.ok(store.log.tail > 3, 'the log was cut');
    const cutAt = store.log.tail;
    await store.crash();
    store.start();
    await store.until(() => store.taken.some(({ key }) => key === 'k299'), 'the newest event is delivered');
    const [first] = store.taken;
    assert.equal(first?.event, 'dsom:EventsLost');
    const to = Number(first?.key.split('-')[1]);
    assert.ok(to >= cutAt && to <= store.log.head, `${first?.key}, cut at ${cutAt}`);
    assert.equal(store.deliverer?.status()[0]?.lost, 1);
    await store.deliverer?.stop();
  });

  it('forgets a target that was taken away, and begins anew where it is defined again', async () => {
    const store = await new Store().open();
    store.start();
    await store.put('one');
    await store.until(() => store.taken.length === 1, 'delivered');
    store.targets = new Map();
    await store.until(() => store.metadata.reader.followers().size === 0, 'nothing is kept for it');
    await store.put('two');
    assert.equal(store.taken.length, 1);
    // Younger than all that was told before, by more than clocks differ.
    store.targets = new Map([['hook', record(Date.now() + 2 * limits.noticeSkewMs)]]);
    await store.until(() => store.metadata.reader.followers().size === 1, 'it has a beginning');
    await store.put('three');
    await store.until(() => store.taken.length === 2, 'the newest is delivered');
    assert.equal(store.taken[1]?.key, 'three', 'and nothing that was told before it was there');
    await store.deliverer?.stop();
  });
});
