import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { realHost } from '../../host/index.ts';
import { openKv, type SharedKv, suspectKv } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import type { SharedLog } from '../../log/index.ts';
import { openMetadataReader, openShardReplica } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { Transport } from '../../transport/index.ts';
import { ConfigError } from '../config.ts';
import type { MetadataEvent } from '../owner.ts';
import { catchUp, condemn, type MadeAnew, madeAnewText, Overtaken, openReplicaKv, untilItFollows } from './install.ts';
import { bucketCommand, type CallFate, ClusterRig, fakePeer, type RigNode } from './rig.fixture.ts';

const host = realHost();
const root = mkdtempSync(path.join(tmpdir(), 'dsom-take-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
/** Real files take real time, while that of the rig runs. */
const long = 24 * 3600 * 1000;

/** A cluster whose log was trimmed, and a folder for a node that comes to it. */
async function trimmed() {
  const rig = new ClusterRig();
  await rig.start();
  const owner = rig.owner as RigNode;
  for (let n = 0; n < 30; n++) await rig.run(owner.shard.propose(bucketCommand(`bucket-${n}`)));
  await rig.until(() => rig.nodes.every(({ replica }) => replica.applied() === rig.head));
  const checkpoints = async (): Promise<void> => {
    for (const node of [...rig.others, owner]) await rig.run(node.shard.checkpoint());
  };
  const directory = path.join(root, String(count++), 'kv');
  const said: string[] = [];
  const say = (message: string): void => void said.push(message);
  const log = { info: say, warn: say, error: say } as unknown as StructuredLog;
  const fates: CallFate[] = [];
  const transport = {
    peer: (node: string) =>
      fakePeer(
        'late',
        node,
        () => async () => ({ head: Buffer.alloc(0), stream: stream(owner.shard.snapshot()) }),
        rig.host,
        () => fates.shift() ?? 'heard',
      ),
  } as unknown as Transport;
  const covered: number[] = [];
  const known: { replicas?: readonly string[] } = {};
  const events: MetadataEvent[] = [];
  const client = rig.join('late');
  const shared: SharedLog = new Proxy(client, {
    get(target, name) {
      if (name === 'replicas' && known.replicas) return async () => known.replicas;
      if (name === 'covered') return async (position: number) => void covered.push(position);
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const open = (made: MadeAnew = {}): Promise<SharedKv> =>
    openReplicaKv({
      directory,
      host,
      shared,
      transport,
      node: 'late',
      log,
      made,
      onMetadata: (event) => void events.push(event),
    });
  return { known, events, rig, owner, checkpoints, directory, said, open, covered, client, fates, log };
}

async function* stream(source: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* source;
}

const positionOf = (kv: SharedKv): number => openMetadataReader(kv).position();

describe('the state of a node that comes', () => {
  it('is empty while the log holds everything, and told to the log', async () => {
    const { rig, open, covered, said } = await trimmed();
    const kv = await open();
    assert.equal(positionOf(kv), 0);
    assert.deepEqual(covered, [0]);
    assert.deepEqual(said, []);
    await kv.close();
    await rig.stop();
  });

  it('is taken from the owner when the log begins later, and follows on from there', async () => {
    const { rig, owner, checkpoints, open, covered, client, said, directory, fates } = await trimmed();
    await checkpoints();
    assert.ok(client.tail > 1);
    fates.push('lost');
    const kv = await open();
    assert.equal(positionOf(kv), rig.head);
    assert.deepEqual(covered, [rig.head]);
    assert.ok(
      said.some((line) => /tries again/.test(line)) && said.some((line) => line.startsWith('the state was taken')),
    );
    const replica = openShardReplica({ log: client, kv, host: rig.host, shard: 0 });
    await rig.run(owner.shard.propose(bucketCommand('after')));
    await rig.until(() => replica.applied() === rig.head, long);
    assert.deepEqual(replica.digest(), owner.replica.digest());
    await rig.run(replica.close(), long);
    await kv.close();
    assert.deepEqual(readdirSync(path.dirname(directory)), ['kv']);
    // What is here and fits the log is kept.
    const again = await open();
    assert.equal(said.filter((line) => line.startsWith('the state was taken')).length, 1);
    await again.close();
    await rig.stop();
  });

  it('that is too old for the log is replaced', async () => {
    const { rig, checkpoints, directory, open, said } = await trimmed();
    await (await openKv({ directory, host })).close();
    await checkpoints();
    const kv = await open();
    assert.equal(positionOf(kv), rig.head);
    assert.ok(said.some((line) => line.startsWith('the state was taken')));
    await kv.close();
    await rig.stop();
  });

  it('that was gone or cannot be read is told, with where it comes from, of a node that had one', async () => {
    const { rig, checkpoints, directory, open, said, log } = await trimmed();
    const told = async (before: boolean): Promise<string | undefined> => {
      const made: MadeAnew = {};
      await (await open(made)).close();
      return madeAnewText(made, before, log);
    };
    assert.equal(await told(false), undefined, 'a new node had none');
    assert.equal(await told(true), undefined, 'it is here');
    rmSync(directory, { recursive: true });
    const whole = 'the log, which goes back to the first entry';
    assert.equal(await told(true), `there was none in ${directory}; it comes from ${whole}`);
    await checkpoints();
    assert.equal(await told(true), undefined, 'it was behind, as any node may be that was away');
    writeFileSync(path.join(directory, 'data.mdb'), 'x'.repeat(16_384));
    assert.match(String(await told(true)), /^the one in .*kv could not be read \(.+\); it comes from another node$/);
    assert.equal(said.filter((line) => /made anew/.test(line)).length, 2);
    const others = [undefined, 'a', 'b'].map((rebuilt) => ({ rebuilt }));
    assert.equal(madeAnewText({}, true, log, others), 'a, and b');
    assert.equal(madeAnewText({}, true, log, others.slice(0, 1)), undefined);
    await rig.stop();
  });

  it('that no other node has is opened as it is, loudly, and where it is gone nobody is waited for', async () => {
    const { rig, checkpoints, directory, open, known, events } = await trimmed();
    await checkpoints();
    await (await open()).close();
    const file = path.join(directory, 'data.mdb');
    const bytes = readFileSync(file);
    // Every page but those of the meta data says that it is another one. LMDB itself does not look at that.
    for (let at = 2 * 8192; at < bytes.length; at += 8192) bytes[at] = (bytes[at] as number) ^ 0x80;
    writeFileSync(file, bytes);
    suspectKv(directory);
    known.replicas = ['late'];
    for (let times = 1; times <= 2; times++) {
      const made: MadeAnew = {};
      const kv = await open(made);
      assert.equal(positionOf(kv), rig.head);
      await kv.close();
      assert.deepEqual([made, events.length], [{}, times]);
    }
    const [told] = events as unknown as readonly [{ state: string; reason?: string }];
    assert.equal(told.state, 'opened as it is');
    assert.match(String(told.reason), /page \d+ of .*data\.mdb is damaged/);

    const aside = `${directory}-aside`;
    renameSync(directory, aside);
    for (let times = 1; times <= 2; times++)
      await assert.rejects(
        open(),
        (cause) =>
          cause instanceof ConfigError &&
          /cannot be made anew: there was none in .*Put the folder back/.test(cause.message),
      );
    assert.ok(!existsSync(directory), 'the one that is put back finds its place free');
    renameSync(aside, directory);

    // Where somebody else has one, that is the better one.
    known.replicas = ['late', 'another'];
    const made: MadeAnew = {};
    const kv = await open(made);
    assert.deepEqual([made.from, positionOf(kv), events.length], ['another node', rig.head, 2]);
    await kv.close();
    await rig.stop();
  });

  it('that was condemned is put aside, and another one taken', async () => {
    const { rig, checkpoints, directory, open } = await trimmed();
    await checkpoints();
    await (await open()).close();
    writeFileSync(path.join(directory, 'mark'), '');
    condemn(directory);
    assert.ok(!existsSync(directory) && existsSync(path.join(`${directory}.diverged`, 'mark')));
    const kv = await open();
    assert.equal(positionOf(kv), rig.head);
    assert.ok(!existsSync(path.join(directory, 'mark')));
    await kv.close();
    condemn(directory);
    assert.ok(!existsSync(path.join(`${directory}.diverged`, 'mark')), 'the one before is not kept for ever');
    await rig.stop();
  });

  it('that the log went on without while it was opened is replaced by opening anew', async () => {
    const { rig, checkpoints, directory, open, client, said, log } = await trimmed();
    let replicas = 0;
    let closed: Promise<void> = Promise.resolve();
    const [kv, replica] = await untilItFollows(log, async () => {
      await closed;
      const kv = await open();
      // Between its first look at the log and its first entry the others let go of what it needs.
      if (replicas++ === 0) await checkpoints();
      const replica = openShardReplica({ log: client, kv, host: rig.host, shard: 0 });
      let over = false;
      const caught = catchUp(replica, rig.head, directory).finally(() => (over = true));
      caught.catch(() => {});
      await rig.until(() => over, long);
      closed = caught.catch(async () => {
        await rig.run(replica.close(), long);
        await kv.close();
      });
      await caught;
      return [kv, replica];
    });
    assert.equal(replicas, 2);
    assert.ok(said.some((line) => line.startsWith('the state was taken')));
    assert.equal(replica.applied(), rig.head);
    await rig.run(replica.close(), long);
    await kv.close();
    await rig.stop();
  });

  it('that is another one than the log tells of is put aside before anything opens anew', async () => {
    const directory = path.join(root, String(count++), 'kv');
    await (await openKv({ directory, host })).close();
    const failing = (kind: 'diverged' | 'behind' | 'unknown') => ({
      reached: () => Promise.reject(new Error('stopped')),
      failureKind: () => kind,
      failure: () => kind,
    });
    await assert.rejects(catchUp(failing('behind'), 1, directory), Overtaken);
    await assert.rejects(catchUp(failing('unknown'), 1, directory), /^Error: stopped$/);
    assert.ok(existsSync(directory));
    await assert.rejects(catchUp(failing('diverged'), 1, directory), Overtaken);
    assert.ok(!existsSync(directory) && existsSync(`${directory}.diverged`));
  });

  it('is not opened for ever, and not again for other reasons', async () => {
    const said: string[] = [];
    const log = { warn: (message: string) => void said.push(message) } as unknown as StructuredLog;
    let times = 0;
    const failing = (cause: Error) =>
      untilItFollows(log, () => {
        times++;
        return Promise.reject(cause);
      });
    await assert.rejects(failing(new Overtaken('behind')), Overtaken);
    assert.deepEqual([times, said.length], [limits.nodeOpenings, limits.nodeOpenings - 1]);
    await assert.rejects(failing(new Error('another')), /another/);
    assert.equal(times, limits.nodeOpenings + 1);
  });
});
