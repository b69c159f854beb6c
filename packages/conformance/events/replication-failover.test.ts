/* Replication of a cluster: the owners of its shards and the other store are killed while clients write. All that was answered arrives, and nothing runs in circles or comes late. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { Cluster, dsom, etcdMissing, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { credentials, type Server, startServer } from '../src/server.ts';
import { ask } from './ask.ts';

const skip = etcdMissing;
const folder = scratchFolder('replication-failover');
let cluster: Cluster | undefined;
let there: Server | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
  await there?.stop('SIGKILL');
});

const bucket = 'bucket';
const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
const rules = `<ReplicationConfiguration><Role/><Rule><ID>all</ID><Status>Enabled</Status><Priority>1</Priority><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:dsom:s3::dr:${bucket}</Bucket></Destination></Rule></ReplicationConfiguration>`;
const tagging = (value: string): string =>
  `<Tagging><TagSet><Tag><Key>t</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;

/** What a key is by all that was answered. One of which something was not answered is not here. */
interface Known {
  /** All bodies that were written, in their order. */
  readonly bodies: readonly string[];
  tag: string;
  deleted: boolean;
}
const known = new Map<string, Known>();
const unsure = new Set<string>();
let answered = 0;

/** Changes a key; one whose change is not answered is used no more. */
async function change(endpoint: string, key: string, method: string, query: string, body?: string): Promise<boolean> {
  const headers = method === 'PUT' && query === '' ? { 'x-amz-tagging': 't=first' } : {};
  const options = { headers, ...(body !== undefined && { body }) };
  const done = await ask(endpoint, method, `/${bucket}/${key}${query}`, options).catch(() => undefined);
  const fine = done !== undefined && done.status < 300;
  if (fine) answered++;
  else {
    known.delete(key);
    unsure.add(key);
  }
  return fine;
}

/** One client: new keys, keys that are written again and again, tags, deletions. @param name no other client has */
async function write(name: string, endpoint: (at: number) => string, goesOn: () => boolean): Promise<void> {
  const own: string[] = [];
  for (let at = 0; goesOn(); at++) {
    const key = at % 3 === 0 ? `${name}-again-${(at / 3) % 5}` : `${name}-${at}`;
    const body = `${key} ${at} ${'x'.repeat(at % 4 === 0 ? 9000 : 10)}`;
    if (!unsure.has(key) && (await change(endpoint(at), key, 'PUT', '', body))) {
      const bodies = [...(known.get(key)?.bodies ?? []), body];
      known.set(key, { bodies, tag: 'first', deleted: false });
      own.push(key);
    }
    const other = own[(at * 7) % own.length] ?? key;
    const its = known.get(other);
    if (!its || its.deleted) continue;
    const tag = `at-${at}`;
    if (at % 4 === 1 && (await change(endpoint(at), other, 'PUT', '?tagging', tagging(tag)))) its.tag = tag;
    if (at % 4 === 3 && (await change(endpoint(at), other, 'DELETE', ''))) its.deleted = true;
  }
}

const status = 'x-amz-replication-status';

/** Whether a key is at the other store what it is here. */
async function hasArrived(endpoint: string, key: string, { bodies, tag, deleted }: Known): Promise<boolean> {
  const got = await ask(endpoint, 'GET', `/${bucket}/${key}`);
  if (deleted) return got.status === 404;
  if (got.status !== 200 || got.text() !== bodies.at(-1)) return false;
  return (await ask(endpoint, 'GET', `/${bucket}/${key}?tagging`)).text().includes(`<Value>${tag}</Value>`);
}

test('owners and the other store die while clients write: all that was answered arrives', {
  skip,
  timeout: 900_000,
}, async (t) => {
  process.env['XDG_CONFIG_HOME'] = path.join(folder, 'config');
  const data = path.join(folder, 'there');
  there = await startServer([data]);
  const { endpoint: other, port } = there;
  cluster = await Cluster.start(path.join(folder, 'here'), 3);
  const store = cluster;
  await until('every node knows replication', 60_000, async () => {
    const features = (await dsom(store.endpoint(0), 'cluster', 'features')) as { name: string; on: boolean }[];
    return ['replication', 'replicationStatus'].every((wanted) => features.find(({ name }) => name === wanted)?.on);
  });
  const keys = ['--access-key-id', credentials.accessKeyId, '--secret-access-key', credentials.secretAccessKey];
  await dsom(store.endpoint(0), 'profile', 'add', 'there', other, ...keys);
  await dsom(store.endpoint(0), 'replication', 'target', 'add', 'dr', 'there');
  for (const endpoint of [store.endpoint(0), other]) {
    assert.equal((await ask(endpoint, 'PUT', `/${bucket}`)).status, 200);
    assert.equal((await ask(endpoint, 'PUT', `/${bucket}?versioning`, { body: versioning })).status, 200);
  }
  const configured = await ask(store.endpoint(1), 'PUT', `/${bucket}?replication`, { body: rules });
  assert.equal(configured.status, 200, configured.text());

  // The owner of the objects twice, then that of the system shard and the other store with it.
  for (const [round, shard] of [1, 1, 0].entries()) {
    const dead = await store.owner(shard);
    const alive = [0, 1, 2].filter((index) => index !== dead);
    let writing = true;
    const clients = Array.from({ length: 3 }, (_, client) =>
      write(
        `r${round}-c${client}`,
        (at) => store.endpoint(alive[at % 2]),
        () => writing,
      ),
    );
    try {
      const begun = answered;
      await until('changes are answered', 60_000, async () => answered > begun + 60);
      await store.end(dead);
      if (shard === 0) await there.stop('SIGKILL');
      const before = answered;
      await until('changes go on', 60_000, async () => answered > before + 60);
    } finally {
      writing = false;
      await Promise.all(clients);
    }
    if (shard === 0) there = await startServer([data], { port });
    await store.restart(dead);
  }

  for (const [key, one] of known) await until(`${key} is there`, 120_000, () => hasArrived(other, key, one));
  // Each version and marker there is one that was answered, and is there once; those of a key that came after each other may have been left out.
  const listed = new Map<string, { versions: number; markers: number }>();
  const bodiesThere = new Set<string>();
  for (let query = ''; ; ) {
    const page = await ask(other, 'GET', `/${bucket}?versions${query}`);
    for (const [, kind, inner] of page.text().matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)) {
      const [key, id] = ['Key', 'VersionId'].map((name) => inner?.match(`<${name}>(.*?)</${name}>`)?.[1] ?? '');
      const count = listed.get(key as string) ?? { versions: 0, markers: 0 };
      listed.set(key as string, count);
      if (kind === 'DeleteMarker') count.markers++;
      else count.versions++;
      const one = known.get(key as string);
      if (kind === 'DeleteMarker' || !one) continue;
      const got = await ask(other, 'GET', `/${bucket}/${key}?versionId=${id}`);
      const body = got.text();
      assert.equal(got.headers[status], 'REPLICA', key);
      bodiesThere.add(`${key} ${body}`);
      assert.ok(one.bodies.includes(body), `${key} has a version that was never written`);
    }
    if (!page.text().includes('<IsTruncated>true')) break;
    const [after, version] = ['NextKeyMarker', 'NextVersionIdMarker'].map((name) => page.elements(name)[0] ?? '');
    query = `&key-marker=${after}&version-id-marker=${version}`;
  }
  // Whichever node answers: what says that it is there is there, and what is the newest says so.
  let told = 0;
  for (const node of [0, 1, 2]) {
    const endpoint = store.endpoint(node);
    for (const [key, { bodies, deleted }] of known) {
      if (!deleted)
        await until(`${key} is COMPLETED at node ${node}`, 60_000, async () => {
          const { headers } = await ask(endpoint, 'HEAD', `/${bucket}/${key}`);
          return headers[status] === 'COMPLETED';
        });
      if (node > 0 || bodies.length === 1) continue;
      const page = await ask(endpoint, 'GET', `/${bucket}?versions&prefix=${key}`);
      for (const [, inner] of page.text().matchAll(/<Version>(.*?)<\/Version>/gs)) {
        const [name, id] = ['Key', 'VersionId'].map((one) => inner?.match(`<${one}>(.*?)</${one}>`)?.[1] ?? '');
        const got = await ask(endpoint, 'GET', `/${bucket}/${name}?versionId=${id}`);
        if (got.headers[status] !== 'COMPLETED') continue;
        told++;
        assert.ok(bodiesThere.has(`${name} ${got.text()}`), `${name} ${id} is not there`);
      }
    }
  }
  assert.ok(told > 0);
  let single = 0;
  for (const [key, { bodies, deleted }] of known) {
    if (bodies.length > 1 || key.includes('again')) continue;
    single++;
    assert.deepEqual(listed.get(key), { versions: 1, markers: deleted ? 1 : 0 }, key);
  }
  const [dead, changed] = [
    [...known.values()].filter(({ deleted }) => deleted),
    [...known.values()].filter(({ tag }) => tag !== 'first'),
  ];
  for (const some of [dead, changed]) assert.ok(some.length > 0);
  t.diagnostic(
    `${answered} changes, ${known.size} keys, ${single} of one version, ${dead.length} deleted, ${changed.length} tagged`,
  );
});
