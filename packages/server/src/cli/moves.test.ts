import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rebalanceLines, repairLines, repairProgress } from './moves.ts';
import { startStub } from './stub.fixture.ts';

const MiB = 1024 * 1024;

test('what nodes have still to do is a table, with rate and time left, and says who is not known', () => {
  const lines = repairLines({
    done: false,
    groupsOnLeavingDevices: 2,
    needs: '2 placement groups hold objects',
    nodes: [
      {
        node: 'aaaaaaaa-0000',
        complete: false,
        toWrite: { fragments: 120, bytes: 3 * MiB, bytesPerSecond: MiB, seconds: 3800 },
        toHandOver: { fragments: 7 },
      },
      { node: 'bbbbbbbb-0000', complete: false, toWrite: null, toHandOver: null },
      {
        node: 'cccccccc-0000',
        complete: true,
        toWrite: { fragments: 0, bytes: 0, bytesPerSecond: 0, seconds: 0 },
        toHandOver: { fragments: 0 },
      },
    ],
  });
  assert.match(lines[0] as string, /^waits +2 placement groups hold objects$/);
  assert.match(lines[1] as string, /missing, or on their way/);
  assert.match(lines[3] as string, /^aaaaaaaa +120 +3\.00 MiB +1\.00 MiB\/s +1 h 3 min +7 +looking$/);
  assert.match(lines[4] as string, /^bbbbbbbb(?: +-){5} +does not answer$/);
  assert.match(lines[5] as string, /^cccccccc +0 .*all written$/);
  assert.match(repairLines({ done: true, nodes: [] })[0] as string, /where it should be/);
  const looking = { node: 'a', complete: false, toWrite: { fragments: 0 }, toHandOver: { fragments: 0 } };
  assert.match(repairLines({ done: false, nodes: [looking] })[0] as string, /none is known to be$/);
  const away = { node: 'b', complete: false, toWrite: null, toHandOver: null };
  assert.match(repairLines({ done: false, nodes: [looking, away] })[0] as string, /not every node answers$/);
});

test('the line of progress adds up what the nodes say, and takes the time of the slowest', () => {
  const node = (fragments: number, seconds: number) => ({
    toWrite: { fragments, bytesPerSecond: MiB, seconds },
    toHandOver: { fragments: 2 },
  });
  const line = repairProgress({ done: false, nodes: [node(3, 50), node(4, 90), { toWrite: null }] });
  assert.equal(line, '7 fragments to write, 2.00 MiB/s, 1 min 30 s left; 4 to hand over; not answering: 1 of 3');
  assert.equal(repairProgress({ nodes: [node(0, 0)] }), '0 fragments to write, 1.00 MiB/s; 2 to hand over');
});

test('bytes that are being kept in another way are told, with what is left, and not when there never were any', () => {
  const told = (recode: object) => repairLines({ done: true, nodes: [], recode })[0] as string;
  assert.match(
    told({
      complete: false,
      stripes: 12,
      bytes: 96 * MiB,
      failed: 1,
      progress: { done: 100, total: 400, etaMs: 90_000 },
    }),
    /^redundancy is being changed: 12 stripes \(96\.0 MiB\) written anew, 100 of 400 versions looked at, 1 min 30 s left; 1 could not be/,
  );
  assert.match(told({ complete: true, stripes: 12, bytes: 96 * MiB }), /^redundancy as wanted: 12 stripes/);
  assert.match(told({ complete: true, stripes: 0, bytes: 0 }), /where it should be/);
});

test('evening out says what it waits for', () => {
  const lines = rebalanceLines({
    state: 'running',
    waitsFor: 'node b',
    bytesPerSecond: MiB,
    moved: 3,
    movedBytes: 2 * MiB,
    left: null,
    leftBytes: null,
  });
  assert.equal(lines[0], 'rebalance running, waits: node b');
  assert.match(lines[1] as string, /1\.00 MiB\/s on each node/);
  assert.match(lines[2] as string, /3 members of groups, 2\.00 MiB/);
  assert.match(lines[3] as string, /- members/);
  assert.equal(rebalanceLines({ state: 'stopped', waitsFor: null })[0], 'rebalance stopped');
});

test('a wait ends when all has been done for longer than nodes know of each other', async (t) => {
  const stub = await startStub();
  t.after(() => stub.close());
  const asked: boolean[] = [];
  stub.store.intercept = ({ path }) => {
    if (!path.endsWith('/cluster/repair')) return undefined;
    // What the first answer did not know yet, the second does.
    asked.push(asked.length !== 1);
    return Response.json({ done: asked.at(-1), nodes: [{ node: 'a' }], groupsOnLeavingDevices: 0 });
  };
  const { code, rows } = await stub.run(['repair', 'status', '--wait', '--json']);
  assert.deepEqual([code, rows[0]?.['done']], [0, true]);
  const since = asked.slice(asked.lastIndexOf(false) + 1);
  assert.ok(since.length >= 6, `${since.length} answers after the one that said no`);
});

test('a wait ends, and not well, when nothing is left to write what lacks from; not while anything gets on', async (t) => {
  const stub = await startStub();
  t.after(() => stub.close());
  let asked = 0;
  stub.store.intercept = ({ path }) => {
    if (!path.endsWith('/cluster/repair')) return undefined;
    asked++;
    const node = { node: 'a', toWrite: { fragments: 2 }, toHandOver: { fragments: Math.max(0, 4 - asked) } };
    return Response.json({ done: false, lost: 2, onlyLost: asked !== 7, needs: '2 copies are gone', nodes: [node] });
  };
  const { code, stdout, stderr } = await stub.run(['repair', 'status', '--wait']);
  assert.equal(code, 8, stderr);
  assert.ok(asked > 11, `${asked} answers: four seconds after one that said that there is something to wait for`);
  assert.match(stdout, /^waits +2 copies are gone$/m);
  assert.match(
    stderr,
    /2 copies cannot be written: nothing is left to write them from\n.*`dsom fsck` names the objects/,
  );
});

test('what objects with fewer copies survive is told beside what new ones do, with what to do', async (t) => {
  const stub = await startStub();
  t.after(() => stub.close());
  const row = { nines: 9, cappedBy: 'devices' };
  const schemes = [
    { ...row, scheme: 'copies=3', survives: '3 copies: no object is lost with any 2 nodes' },
    { ...row, scheme: '4+2', survives: '4+2: no object is lost with one node', crowded: 1 },
    { ...row, scheme: 'copies=1', survives: '1 copy: the loss of one device loses objects', nines: 1, belowDefault: 2 },
  ];
  stub.store.intercept = ({ path }) =>
    path.endsWith('/cluster/risk')
      ? Response.json({
          schemes,
          repairHours: 1,
          oldestScrubSeconds: null,
          decidingZone: { zone: 'a', members: 2, of: 3 },
        })
      : undefined;
  const { stdout } = await stub.run(['cluster', 'risk']);
  assert.match(stdout, /order {5}zone a has 2 of 3 members of etcd: without it no write is taken\n/);
  assert.match(stdout, /durable {3}3 copies: .* held down by devices\n/);
  assert.match(
    stdout,
    /durable {3}4\+2: .*; 1 placement group lies on fewer zones .*`dsom rebalance start` spreads them/,
  );
  assert.match(
    stdout,
    /durable {3}1 copy: .*: 2 placement groups hold such objects.*`dsom redundancy s3:\/\/BUCKET copies=3` .*; parts of uploads that have not ended follow once those are completed/,
  );
});
