/* Users of a cluster: made, changed and taken away on one node, they are what they are on every other for the very next request. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
const rounds = 20;

let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-identities'), 3);
});
after(async () => {
  await cluster?.stop();
});

test('what one node was told of users, every node knows at once', { skip }, async () => {
  const nodes = cluster.endpoints();
  const at = (turn: number) => nodes[turn % nodes.length] as string;
  const json = { 'content-type': 'application/json' };
  const admin = async (turn: number, method: string, path: string, body?: object) => {
    const options = body ? { body: JSON.stringify(body), headers: json } : {};
    const answer = await send(at(turn), method, `/-/v1/${path}`, options);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text()}`);
    return answer;
  };
  assert.equal((await send(at(0), 'PUT', '/shared')).status, 200);
  // The feature is turned on once the nodes have told each other that they know it.
  await until('users can be made', 60_000, async () => {
    const body = JSON.stringify({ name: 'first' });
    return (await send(at(0), 'POST', '/-/v1/users', { body, headers: json })).status === 201;
  });
  for (let round = 0; round < rounds; round++) {
    const made = await admin(round, 'POST', 'users', { name: `user-${round}`, policies: ['AmazonS3FullAccess'] });
    const { accessKeyId, secretAccessKey } = JSON.parse(made.text()) as {
      accessKeyId: string;
      secretAccessKey: string;
    };
    const as = { accessKeyId, secretAccessKey };
    const put = await send(at(round + 1), 'PUT', pathOf('shared', `of-${round}`), { ...as, body: 'x' });
    assert.equal(put.status, 200, `round ${round}, made on one node and used on another: ${put.text()}`);
    await admin(round, 'PUT', `users/user-${round}/policies`, { policies: ['AmazonS3ReadOnlyAccess'] });
    const late = await send(at(round + 2), 'PUT', pathOf('shared', `of-${round}`), { ...as, body: 'y' });
    assert.equal(late.element('Code'), 'AccessDenied', `round ${round}: a policy that was taken away`);
    assert.equal((await send(at(round + 1), 'GET', pathOf('shared', `of-${round}`), as)).text(), 'x');
    await admin(round + 1, 'DELETE', `users/user-${round}`);
    for (const turn of [round, round + 2]) {
      const gone = await send(at(turn), 'GET', pathOf('shared', `of-${round}`), as);
      assert.equal(gone.element('Code'), 'InvalidAccessKeyId', `round ${round}: a user who is gone`);
    }
  }
  const listed = await admin(2, 'GET', 'users');
  assert.deepEqual(
    (JSON.parse(listed.text()) as { users: { name: string }[] }).users.map(({ name }) => name),
    ['first'],
  );
});
