import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { DeviceState, GroupRecord } from '../../metadata/index.ts';
import { type IncomingCall, type Peer, pack, unpack } from '../../transport/index.ts';
import { DeviceUnreachable, type FragmentAccess } from '../access.ts';
import { fragmentId, stripeOf } from '../address.ts';
import { deviceName, type ManualHost, MemoryFragments, seededHost } from '../memory.fixture.ts';
import { remoteFragments, sweepRemote } from './client.ts';
import { type FragmentServer, serveFragments } from './serve.ts';

const device = deviceName(0);
const id = (n: number, prefix = 1) =>
  fragmentId(Buffer.concat([Buffer.alloc(8, prefix), Buffer.alloc(7, n), Buffer.alloc(1)]), 0);
const bytes = Buffer.from('the bytes of one fragment, in blocks of eight');

let host: ManualHost;
let store: MemoryFragments;
let server: FragmentServer;
/** Stripes that were published, in hex. */
let owned: Set<string>;
/** Groups as the serving node knows them, and what it knows of its device. */
let groups: GroupRecord[];
let state: DeviceState;
/** Fragments that are just being removed, in hex. */
/** Prefixes of open intents, and what the client has applied. */
let open: Set<string>;
let known = 0;
let leaving: Set<string>;
let applied: Position;
let reachedWith: Position[];
/** Fails the next call before or after it was served. */
let cut: 'before' | 'after' | undefined;

beforeEach(() => {
  host = seededHost(5);
  store = new MemoryFragments(device);
  owned = new Set();
  leaving = new Set();
  groups = [];
  state = 'active';
  open = new Set([id(1).toString('hex', 0, 8)]);
  known = 0;
  applied = 0;
  reachedWith = [];
  cut = undefined;
  server = serveFragments({
    stores: new Map([[device, store]]),
    reader: {
      stripeOwner: (stripe) =>
        owned.has(stripe.toString('hex'))
          ? { manifest: Buffer.alloc(1), bucket: 1, key: Buffer.alloc(1), group: 1 }
          : undefined,
      group: (number) => groups.find((one) => one.id === number),
      nodes: () => [],
      devices: () => [{ identity: device, node: 'server', class: 'ssd', capacityBytes: 1, weight: 1, state }],
      intents: () =>
        [...open].map((prefix) => ({
          prefix: Buffer.from(prefix, 'hex'),
          state: 'open',
          openedAt: 1,
          opener: undefined,
        })),
    },
    reached: async (position) => {
      if (position > 0) reachedWith.push(position);
      if (position > applied) throw new StoreError('ServiceUnavailable', { message: 'not applied' });
    },
    removing: (_, one) => leaving.has(one.toString('hex')),
    host,
  });
});

const away = (): StoreError => new StoreError('ServiceUnavailable', { message: 'The node cannot be reached.' });

function peerOf(node: string): Peer {
  return {
    node: 'server',
    reachable: true,
    async call(method, head, { body = [], deadlineMs } = {}) {
      assert.equal(deadlineMs, limits.fragmentCallMs);
      if (cut === 'before') throw away();
      const call: IncomingCall = {
        method,
        head: Buffer.from(head),
        body: Buffer.concat(body),
        node,
        signal: new AbortController().signal,
      };
      const served = server.serve(call);
      assert.ok(served, method);
      const answer = await served.catch((error: unknown) => {
        // As a link does it: what is no StoreError loses its meaning.
        throw error instanceof StoreError ? error : new StoreError('InternalError');
      });
      if (cut === 'after') throw away();
      return { head: Buffer.from(answer.head), body: Buffer.concat(answer.body ?? []) };
    },
    stream: () => assert.fail('fragments are not streamed'),
    close: async () => {},
  };
}

const remote = (node = 'client'): FragmentAccess => remoteFragments(peerOf(node), device, () => known);

async function write(access: FragmentAccess, n: number): Promise<void> {
  const writer = await access.create(id(n), bytes.length, 8);
  await writer.append([bytes.subarray(0, 10), bytes.subarray(10, 20)]);
  await writer.append([bytes.subarray(20)]);
  await writer.seal();
}

describe('fragments of a device of another node', () => {
  it('are written, read, counted and removed as those of this one', async () => {
    const access = remote();
    await write(access, 1);
    assert.deepEqual(store.bytesOf(id(1)), bytes);
    assert.equal(store.open, 0);
    assert.deepEqual(await access.read(id(1), 3, 30), bytes.subarray(3, 30));
    assert.deepEqual(await access.fetch(id(1), 0, bytes.length), bytes);
    assert.deepEqual(await access.lengths([id(1), id(2)]), [bytes.length, undefined]);
    await write(access, 3);
    await access.remove([id(1)]);
    assert.deepEqual(await access.removeStripes([stripeOf(id(3))]), { fragments: 1, bytes: bytes.length });
    assert.equal(store.unflushed.length, 2);
    await access.flush();
    assert.equal(store.unflushed.length, 0);
    await assert.rejects(access.read(id(1), 0, 1), { code: 'NotFound' });
  });

  it('are taken back when nobody can publish them any more, and kept when somebody has', async () => {
    const access = remote();
    const writer = await access.create(id(1), bytes.length, 8);
    await writer.append([bytes]);
    open.clear();
    await assert.rejects(writer.seal(), DeviceUnreachable);
    assert.deepEqual(await access.lengths([id(1)]), [undefined]);
    owned.add(stripeOf(id(2)).toString('hex'));
    await write(access, 2);
    assert.deepEqual(await access.lengths([id(2)]), [bytes.length]);
  });

  it('are judged only once the node knows what the writer knew', async () => {
    known = 5;
    const access = remote();
    const writer = await access.create(id(1), bytes.length, 8);
    await writer.append([bytes]);
    await assert.rejects(writer.seal(), DeviceUnreachable);
    assert.deepEqual(reachedWith, [5]);
    applied = 5;
    await write(access, 2);
    assert.deepEqual(reachedWith, [5, 5]);
  });

  it('that are damaged there are damaged here, and not away', async () => {
    const access = remote();
    await write(access, 1);
    store.flip(id(1), 9);
    await assert.rejects(access.read(id(1), 0, 16), CorruptionError);
    assert.equal((await access.fetch(id(1), 0, 16)).length, 16);
    store.damagedRows.add(id(1).toString('hex'));
    assert.deepEqual(await access.lengths([id(1)]), ['damaged']);
  });

  it('are vouched for by a digest of what is there, once the node knows what this one knows', async () => {
    const access = remote();
    await write(access, 1);
    await assert.rejects(access.digest(id(1), 3), DeviceUnreachable);
    applied = 3;
    const digest = await access.digest(id(1), 3);
    assert.ok(digest.length > 0);
    await write(access, 2);
    assert.deepEqual(await access.digest(id(2), 3), digest, 'of the same bytes the same');
    leaving.add(id(1).toString('hex'));
    await assert.rejects(access.digest(id(1), 3), { code: 'NotFound' });
    store.flip(id(2), 3);
    await assert.rejects(access.digest(id(2), 3), CorruptionError);
  });

  it('of which fewer bytes come than were asked for are damaged', async () => {
    const access = remote();
    await write(access, 1);
    await assert.rejects(access.fetch(id(1), 0, bytes.length + 1), CorruptionError);
  });

  for (const when of ['before', 'after'] as const)
    it(`are away when the link breaks ${when} a call was served`, async () => {
      const access = remote();
      await write(access, 1);
      cut = when;
      for (const call of [
        () => access.create(id(2), 1, 8),
        () => access.read(id(1), 0, 1),
        () => access.lengths([id(1)]),
        () => access.remove([id(9)]),
        () => access.removeStripes([stripeOf(id(9))]),
        () => access.flush(),
      ])
        await assert.rejects(
          call(),
          (error) => error instanceof DeviceUnreachable && error.message.includes(device),
          String(call),
        );
    });

  it('whose device is not there, or full, are refused and not away', async () => {
    const access = remoteFragments(peerOf('client'), deviceName(7), () => known);
    await assert.rejects(access.read(id(1), 0, 1), (error) => !(error instanceof DeviceUnreachable));
    store.failing.set('create', new StoreError('StorageFull'));
    await assert.rejects(remote().create(id(1), 1, 8), { code: 'StorageFull' });
  });
});

describe('a fragment that is being written for another node', () => {
  it('is given up with its space when nobody goes on with it', async () => {
    const access = remote();
    const kept = await access.create(id(1), 100, 8);
    const left = await access.create(id(2), 100, 8);
    assert.equal(store.open, 2);
    host.advance(limits.fragmentHandleMs - 1000);
    await kept.append([bytes]);
    host.advance(limits.fragmentHandleMs / 2);
    await Promise.resolve();
    assert.equal(store.open, 1);
    await assert.rejects(left.append([bytes]), DeviceUnreachable);
    await assert.rejects(left.seal(), DeviceUnreachable);
    await kept.seal();
    assert.deepEqual(store.bytesOf(id(1)), bytes);
    assert.equal(store.bytesOf(id(2)), undefined);
  });

  it('is its own node’s alone', async () => {
    const { head } = await peerOf('a').call(
      'fragment.create',
      pack({ device, id: id(1), maximum: 100, checksumBytes: 8 }),
      { deadlineMs: limits.fragmentCallMs },
    );
    const { handle } = unpack<{ handle: number }>(head);
    const options = { deadlineMs: limits.fragmentCallMs };
    const stranger = peerOf('b');
    for (const method of ['fragment.append', 'fragment.seal'])
      await assert.rejects(stranger.call(method, pack({ handle }), { ...options, body: [bytes] }), {
        code: 'ServiceUnavailable',
      });
    await stranger.call('fragment.abort', pack({ handle }), options);
    assert.equal(store.open, 1);
    await peerOf('a').call('fragment.append', pack({ handle }), { ...options, body: [bytes] });
    await peerOf('a').call('fragment.seal', pack({ handle }), options);
    assert.deepEqual(store.bytesOf(id(1)), bytes);
  });

  it('is one of so many at most', async () => {
    const access = remote();
    for (let n = 0; n < limits.fragmentHandles; n++) await access.create(id(n % 200), 1, 8);
    await assert.rejects(access.create(id(1), 1, 8), { code: 'SlowDown' });
    await server.close();
    assert.equal(store.open, 0);
  });
});

describe('a fragment whose device was chosen by an older map than its node knows', () => {
  const moved = { id: 7, epoch: 3, devices: [deviceName(1), device] };
  const create = (epoch: number, group = 7) => remote().create(id(1), bytes.length, 8, { group, epoch });

  it('is refused, with the epoch that the node knows', async () => {
    groups = [moved];
    await assert.rejects(create(2), (error) => {
      assert.ok(error instanceof StoreError && !(error instanceof DeviceUnreachable));
      assert.equal(error.code, 'StalePlacement');
      assert.deepEqual(error.detail, { Group: '7', Epoch: '3' });
      return true;
    });
    assert.equal(store.open, 0, 'nothing is kept of it');
  });

  it('is taken where it still belongs, where the writer knows more, where nobody knows the group, and from who names no map', async () => {
    const second = fragmentId(stripeOf(id(1)), 1);
    groups = [moved];
    await (await remote().create(second, 1, 8, { group: 7, epoch: 1 })).abort();
    await (await create(4)).abort();
    await (await create(3)).abort();
    await (await create(1, 8)).abort();
    await (await remote().create(id(1), 1, 8)).abort();
    assert.equal(store.open, 0);
  });

  it('is finished when the group moved while it was written, but not on a device that nobody copies from any more', async () => {
    const writers = [await create(2), await remote().create(id(2), bytes.length, 8, { group: 7, epoch: 2 })];
    groups = [moved];
    for (const writer of writers) await writer.append([bytes]);
    await writers[0]?.seal();
    assert.deepEqual(store.bytesOf(id(1)), bytes);
    state = 'retired';
    await assert.rejects(writers[1]?.seal() ?? Promise.resolve(), { code: 'StalePlacement' });
    assert.equal(store.bytesOf(id(2)), undefined);
  });
});

describe('a sweep on another node', () => {
  it('waits for the position at which the intent was closed, and spares what was published', async () => {
    const access = remote();
    await write(access, 1);
    await write(access, 2);
    owned.add(stripeOf(id(2)).toString('hex'));
    const prefix = id(1).subarray(0, 8);
    await assert.rejects(sweepRemote(peerOf('client'), device, prefix, 7), { code: 'ServiceUnavailable' });
    assert.ok(store.bytesOf(id(1)), 'nothing is swept before the position is reached');
    applied = 7;
    assert.deepEqual(await sweepRemote(peerOf('client'), device, prefix, 7), { fragments: 1, bytes: bytes.length });
    assert.deepEqual(reachedWith, [7, 7]);
    assert.equal(store.bytesOf(id(1)), undefined);
    assert.ok(store.bytesOf(id(2)));
  });
});

it('calls that are not about fragments are left to others', () => {
  const call = { head: pack(null), body: Buffer.alloc(0), node: 'a', signal: new AbortController().signal };
  assert.equal(server.serve({ ...call, method: 'node.state' }), undefined);
  assert.equal(server.serve({ ...call, method: 'toString' }), undefined);
});
