/* A server of its own to run the suite against, with all that cases need: a second account, names of hosts, keys, an archive, itself to replicate to. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bin, credentials, startServer } from '../src/server.ts';
import { ok } from './expect.ts';
import { Run, Steps, type Store } from './steps.ts';

const domain = 's3.dsomc.test';
const website = 'site.dsomc.test';

export interface OwnStore {
  readonly store: Store;
  stop(): Promise<void>;
}

/** A user of a tenant, who may do everything there: to all buckets of the first account a stranger. */
function stranger(endpoint: string): { accessKeyId: string; secretAccessKey: string } {
  const keys = { accessKeyId: 'CONFORMANCESECOND', secretAccessKey: 'conformance-second-secret' };
  const env = {
    ...process.env,
    DSOM_ENDPOINT: endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const dsom = (...args: string[]) => execFileSync(process.execPath, [bin, ...args], { env, stdio: 'pipe' });
  dsom('tenant', 'create', 'second');
  const flags = ['--access-key-id', keys.accessKeyId, '--secret-access-key', keys.secretAccessKey];
  dsom('user', 'create', 'stranger', '--tenant', 'second', '--policy', 'AmazonS3FullAccess', ...flags);
  return keys;
}

/** What an operator sets with `dsom kms create`, `dsom policy set` and `dsom replication target add`, over the API that these use: a command takes a process each. */
async function prepared(store: Store): Promise<Store> {
  const steps = new Steps(new Run(store));
  const post = async (method: string, at: string, value: unknown, status: number) => {
    const headers = { 'content-type': 'application/json' };
    const answer = ok(await steps.at(method, at, { body: JSON.stringify(value), headers }), status);
    return JSON.parse(answer.body.toString()) as { readonly arn?: string };
  };
  const key = async (name: string) => (await post('POST', '/-/v1/kms/keys', { name }, 201)).arn ?? '';
  const kms = [await key('conformance/one'), await key('conformance/two')] as const;
  const [hour, archive] = [3_600_000, 'GLACIER'];
  const times = { standardMs: hour, bulkMs: 2 * hour, expeditedMs: hour / 2 };
  await post('PUT', `/-/admin/v1/policies/${archive}`, { redundancy: { copies: 1 }, archive: times }, 200);
  const target = { kind: 's3', url: `${store.url}/`, keys: store.account };
  await post('PUT', '/-/admin/v1/notifications/targets/default', target, 200);
  return { ...store, kms, archive, replicates: true };
}

export async function startOwn(): Promise<OwnStore> {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-suite-'));
  const server = await startServer([folder], { flags: ['--domain', domain, '--website-domain', website] });
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { endpoint } = server;
    const second = stranger(endpoint);
    const names = { region: 'us-east-1', domain, website, tenant: true, keep: true } as const;
    return { store: await prepared({ url: endpoint, account: credentials, second, ...names }), stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
