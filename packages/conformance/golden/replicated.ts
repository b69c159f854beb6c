/* What came to a store that replicates to itself: versions that say so, written by one version and read by a later one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dsom, until } from '../cluster/cluster.support.ts';
import { pathOf, send } from '../src/request.ts';
import { credentials } from '../src/server.ts';
import { doing } from './whole.ts';

const [source, target] = ['origin', 'replicas'] as const;
const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
const rule = `<Rule><ID>all</ID><Status>Enabled</Status><Priority>1</Priority><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:dsom:s3::itself:${target}</Bucket></Destination></Rule>`;
const nobody = 'http://127.0.0.1:1';

interface Listed {
  readonly targets: readonly { readonly shards: readonly { readonly lastFailure?: string }[] }[];
}

/** Versions that were replicated, their replicas, and one that waits for a store that is not there. */
export async function fillReplicated(endpoint: string): Promise<void> {
  const must = doing(endpoint);
  const config = mkdtempSync(path.join(tmpdir(), 'dsom-golden-profiles-'));
  process.env['XDG_CONFIG_HOME'] = config;
  try {
    const keys = ['--access-key-id', credentials.accessKeyId, '--secret-access-key', credentials.secretAccessKey];
    for (const [name, address] of [
      ['itself', endpoint],
      ['nobody', nobody],
    ] as const)
      await dsom(endpoint, 'profile', 'add', name, address, ...keys);
    await dsom(endpoint, 'replication', 'target', 'add', 'itself', 'itself');
    for (const bucket of [source, target]) {
      await must('PUT', `/${bucket}`);
      await must('PUT', `/${bucket}`, { query: { versioning: '' }, body: versioning });
    }
    const body = `<ReplicationConfiguration><Role/>${rule}</ReplicationConfiguration>`;
    await must('PUT', `/${source}`, { query: { replication: '' }, body });
    const put = (key: string, body: Buffer) => must('PUT', pathOf(source, key), { body });
    for (const [key, size] of [
      ['small', 100],
      ['large', 100_000],
    ] as const) {
      await put(key, Buffer.alloc(size, 'replicated '));
      await until(`${key} is there`, 30_000, async () => {
        const got = await send(endpoint, 'HEAD', pathOf(source, key));
        return got.headers['x-amz-replication-status'] === 'COMPLETED';
      });
    }
    await dsom(endpoint, 'replication', 'target', 'add', 'itself', 'nobody');
    // Until what follows the log has heard of it, too.
    await until('a version waits', 30_000, async () => {
      await put('waiting', Buffer.from('for a store that is not there'));
      const [list] = (await dsom(endpoint, 'replication', 'target', 'list')) as unknown as [Listed];
      return list.targets.some(({ shards }) => shards.some(({ lastFailure }) => lastFailure !== undefined));
    });
  } finally {
    delete process.env['XDG_CONFIG_HOME'];
    rmSync(config, { recursive: true, force: true });
  }
}
