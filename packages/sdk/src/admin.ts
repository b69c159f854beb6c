import { type Json, listField } from './description.ts';
import type { NotificationTarget } from './notifications.ts';
import type { Policy } from './put.ts';
import { type CallOptions, readJson, type Transport } from './request.ts';

/** One line of a check: its `type` says which fields follow. */
export type FsckLine = Json & { readonly type?: string };

export interface Health {
  readonly ok: boolean;
  readonly status: number;
  /** What the server says about itself. */
  readonly detail: string;
  /** The server's clock minus ours, in ms, to about a second; undefined when it did not tell. */
  readonly skewMs: number | undefined;
}

const scrubPath = '/-/admin/v1/scrub';
const clusterPath = '/-/admin/v1/cluster';
const bucketsPath = '/-/admin/v1/buckets';
const lifecyclePath = '/-/admin/v1/lifecycle';
const policiesPath = '/-/admin/v1/policies';
const inventoryPath = '/-/admin/v1/inventory';
const targetsPath = '/-/admin/v1/notifications/targets';
const failedPath = '/-/admin/v1/notifications/failed';

/** What a storage class of the operator stands for. */
export interface NamedPolicy {
  readonly name: string;
  readonly redundancy: Policy;
  /** Objects of the class are archived. Absent: they are read at once. */
  readonly archive?: RestoreTimes;
}

/** How long each tier of a restore of an archived object takes, ms. */
export interface RestoreTimes {
  readonly standardMs: number;
  readonly bulkMs: number;
  readonly expeditedMs: number;
}

const namedPolicies = (answer: Json): readonly NamedPolicy[] =>
  listField(answer, 'policies') as unknown as readonly NamedPolicy[];

/** The old store of a bucket. The secret is kept sealed and never answered. */
export interface BucketSource {
  /** `http://` or `https://`, host and port. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Stands before each key there. */
  readonly prefix?: string;
  readonly region?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Addresses of the link, where clouds keep credentials, are allowed. */
  readonly linkLocal?: boolean;
}

const sourcePath = (bucket: string): string => `/-/admin/v1/buckets/${encodeURIComponent(bucket)}/source`;
const sourceField = (answer: Json): Json => answer['source'] as Json;

/** What an operator can do to a node: `drain` moves its bytes away while it serves, `activate` takes that back, `remove` is for a node that is gone. */
export type NodeChange =
  | { readonly action: 'drain' | 'activate' | 'remove' }
  | { readonly action: 'label'; readonly zone: string };

/** `retire` moves a device's bytes to others for good, `activate` takes it into use again; `replace` retires it and gives its places to the device `by`. */
export type DeviceChange =
  | { readonly action: 'drain' | 'activate' | 'retire' }
  | { readonly action: 'replace'; readonly by: string };

/** Groups are evened out over the devices; `limit` bounds what each node writes for that and for repairs in a second. */
export type RebalanceChange =
  | { readonly action: 'start' | 'pause' }
  | { readonly action: 'limit'; readonly bytesPerSecond: number };

/** What an operator does: `client.admin`. */
export class Admin {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Needs no credentials. A server that is not ready answers, too. */
  health(probe: 'live' | 'ready', options: CallOptions = {}): Promise<Health> {
    const { now } = this.#transport.options.edges;
    return this.#transport.send({
      ...options,
      method: 'GET',
      path: `/-/health/${probe}`,
      unsigned: true,
      accept: [500, 503],
      async read(response) {
        const date = Date.parse(response.headers.get('date') ?? '');
        const skewMs = Number.isNaN(date) ? undefined : date - now();
        return { ok: response.ok, status: response.status, detail: (await response.text()).trim(), skewMs };
      },
    });
  }

  status(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: '/-/admin/v1/status', read: readJson<Json> });
  }

  #post(path: string, body: unknown, options: CallOptions): Promise<Json> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      read: readJson<Json>,
    });
  }

  scrub(action: 'start' | 'stop', options: CallOptions = {}): Promise<Json> {
    return this.#post(scrubPath, { action }, options);
  }

  /** Nodes, devices, placement groups and what is at risk, as the node that answers sees them. */
  cluster(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: clusterPath, read: readJson<Json> });
  }

  /** What each node has still to write or to hand over, with rate and time left. */
  repair(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: `${clusterPath}/repair`, read: readJson<Json> });
  }

  /** What is below full redundancy now, and what the durability model says. */
  risk(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: `${clusterPath}/risk`, read: readJson<Json> });
  }

  /** Storage classes that the operator has defined. */
  async policies(options: CallOptions = {}): Promise<readonly NamedPolicy[]> {
    return namedPolicies(
      await this.#transport.send({ ...options, method: 'GET', path: policiesPath, read: readJson<Json> }),
    );
  }

  /**
   * Defines a storage class, or changes it: what has the class is kept so from then on, in the background.
   * @param options `archive`: its objects have to be restored before they are read; null: they have not. Absent: as before
   */
  async setPolicy(
    name: string,
    redundancy: Policy,
    { archive, ...options }: CallOptions & { readonly archive?: RestoreTimes | null | undefined } = {},
  ): Promise<readonly NamedPolicy[]> {
    return namedPolicies(
      await this.#transport.send({
        ...options,
        method: 'PUT',
        path: `${policiesPath}/${encodeURIComponent(name)}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ redundancy, archive }),
        read: readJson<Json>,
      }),
    );
  }

  async removePolicy(name: string, options: CallOptions = {}): Promise<readonly NamedPolicy[]> {
    return namedPolicies(
      await this.#transport.send({
        ...options,
        method: 'DELETE',
        path: `${policiesPath}/${encodeURIComponent(name)}`,
        read: readJson<Json>,
      }),
    );
  }

  /** Targets of event notifications, without their secrets, and how far each is behind on the server that answers. */
  async notificationTargets(options: CallOptions = {}): Promise<readonly Json[]> {
    const path = targetsPath;
    return listField(await this.#transport.send({ ...options, method: 'GET', path, read: readJson<Json> }), 'targets');
  }

  async setNotificationTarget(
    name: string,
    target: NotificationTarget,
    options: CallOptions = {},
  ): Promise<readonly Json[]> {
    return listField(
      await this.#transport.send({
        ...options,
        method: 'PUT',
        path: `${targetsPath}/${encodeURIComponent(name)}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(target),
        read: readJson<Json>,
      }),
      'targets',
    );
  }

  async removeNotificationTarget(name: string, options: CallOptions = {}): Promise<readonly Json[]> {
    const path = `${targetsPath}/${encodeURIComponent(name)}`;
    return listField(
      await this.#transport.send({ ...options, method: 'DELETE', path, read: readJson<Json> }),
      'targets',
    );
  }

  /** Sends a test event. @returns what was wrong; undefined: the target has taken it */
  async testNotificationTarget(name: string, options: CallOptions = {}): Promise<string | undefined> {
    const path = `${targetsPath}/${encodeURIComponent(name)}/test`;
    const answer = await this.#transport.send({ ...options, method: 'POST', path, read: readJson<Json> });
    return listField(answer, 'results').map(({ failure }) => failure as string | undefined)[0];
  }

  /** Events that targets have refused for good; `more`: there are others behind them. */
  failedEvents(target: string | undefined, options: CallOptions = {}): Promise<Json> {
    const query = target === undefined ? {} : { query: { target } };
    return this.#transport.send({ ...options, ...query, method: 'GET', path: failedPath, read: readJson<Json> });
  }

  /** Delivers up to 50 of them again, by their ids. @returns `delivered`, and what was wrong with others as `failures` */
  retryFailedEvents(target: string, ids: readonly string[], options: CallOptions = {}): Promise<Json> {
    return this.#post(`${failedPath}/retry`, { target, ids }, options);
  }

  /** Gives up to 50 of them up, by their ids. */
  dropFailedEvents(target: string, ids: readonly string[], options: CallOptions = {}): Promise<Json> {
    return this.#post(`${failedPath}/drop`, { target, ids }, options);
  }

  /** Where a bucket is read that has not moved here yet; never its secret. @throws DsomError NotFound where it has none */
  async bucketSource(bucket: string, options: CallOptions = {}): Promise<Json> {
    const path = sourcePath(bucket);
    return sourceField(await this.#transport.send({ ...options, method: 'GET', path, read: readJson<Json> }));
  }

  /** Sets it, after the server has read it once. */
  async setBucketSource(bucket: string, source: BucketSource, options: CallOptions = {}): Promise<Json> {
    return sourceField(
      await this.#transport.send({
        ...options,
        method: 'PUT',
        path: sourcePath(bucket),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(source),
        read: readJson<Json>,
      }),
    );
  }

  /** `unmoved`: how many keys (`keys`) have not moved, the `first` of them, and whether there may be `more`. */
  unmovedKeys(bucket: string, options: CallOptions = {}): Promise<Json> {
    const path = `${sourcePath(bucket)}/unmoved`;
    return this.#transport.send({ ...options, method: 'GET', path, read: readJson<Json> });
  }

  /** @param force also while keys have not moved, or nobody can tell @throws DsomError InvalidRequest without it */
  clearBucketSource(bucket: string, force: boolean, options: CallOptions = {}): Promise<Json> {
    const path = sourcePath(bucket);
    const query = { force: String(force) };
    return this.#transport.send({ ...options, method: 'DELETE', path, query, read: readJson<Json> });
  }

  rebalanceStatus(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: `${clusterPath}/rebalance`, read: readJson<Json> });
  }

  rebalance(change: RebalanceChange, options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/rebalance`, change, options);
  }

  /** A line that one further node can join with, once, within `seconds`. */
  invite(seconds: number | undefined, options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/invite`, { seconds }, options);
  }

  /** Invitations that can be used still. */
  async invitations(options: CallOptions = {}): Promise<readonly Json[]> {
    const path = `${clusterPath}/invitations`;
    const { invitations } = await this.#transport.send({ ...options, method: 'GET', path, read: readJson<Json> });
    return invitations as readonly Json[];
  }

  /** @param id of an invitation, whole or its unambiguous beginning */
  revokeInvitation(id: string, options: CallOptions = {}): Promise<Json> {
    const path = `${clusterPath}/invitations/${encodeURIComponent(id)}`;
    return this.#transport.send({ ...options, method: 'DELETE', path, read: readJson<Json> });
  }

  /** Whose certificates the nodes trust, and how far a change of that is. */
  authority(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: `${clusterPath}/authority`, read: readJson<Json> });
  }

  /** Begins to put a new authority in the place of the present one. */
  rotateAuthority(options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/authority`, { action: 'rotate' }, options);
  }

  /** How many object shards the cluster has and uses, and which nodes do not have all of them open. */
  objectShards(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: `${clusterPath}/shards`, read: readJson<Json> });
  }

  /** Asks for `count` object shards. Nodes open them when they start, and they are used when all nodes have them. */
  growObjectShards(count: number, options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/shards`, { count }, options);
  }

  /** The shards of a bucket, and what is in each of them. */
  bucketShards(bucket: string, options: CallOptions = {}): Promise<Json> {
    const path = `${bucketsPath}/${encodeURIComponent(bucket)}/shards`;
    return this.#transport.send({ ...options, method: 'GET', path, read: readJson<Json> });
  }

  /** Gives a bucket as many shards as `shards` says, a power of two; undefined: twice as many as it has now. */
  async reshardBucket(bucket: string, shards: number | undefined, options: CallOptions = {}): Promise<Json> {
    // What is sent again because its answer was lost says how many are wanted: "twice as many" would be four times as many then.
    const now = shards === undefined ? (await this.bucketShards(bucket, options))['shards'] : undefined;
    const wanted = Array.isArray(now) ? 2 * now.length : shards;
    return this.#post(`${bucketsPath}/${encodeURIComponent(bucket)}/shards`, { shards: wanted }, options);
  }

  /** @param id of a node, whole or its unambiguous beginning */
  node(id: string, change: NodeChange, options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/nodes/${encodeURIComponent(id)}`, change, options);
  }

  /** @param id of a device, whole or its unambiguous beginning */
  device(id: string, change: DeviceChange, options: CallOptions = {}): Promise<Json> {
    return this.#post(`${clusterPath}/devices/${encodeURIComponent(id)}`, change, options);
  }

  scrubStatus(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: scrubPath, read: readJson<Json> });
  }

  /** What the lifecycle of the node that answers has done, and how far it is. */
  lifecycle(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: lifecyclePath, read: readJson<Json> });
  }

  /** Writes an inventory of a bucket now: lines of progress, and a summary at the end. */
  runInventory(
    run: { readonly bucket: string; readonly id: string },
    options: CallOptions = {},
  ): AsyncGenerator<FsckLine> {
    return this.#lines(inventoryPath, JSON.stringify(run), options);
  }

  /** Does now what the lifecycle of a bucket asks for, or with `dryRun` tells it: one line for each action, and a summary at the end. */
  runLifecycle(
    run: { readonly bucket: string; readonly dryRun?: boolean },
    options: CallOptions = {},
  ): AsyncGenerator<FsckLine> {
    return this.#lines(lifecyclePath, JSON.stringify(run), options);
  }

  /** Compares all of a bucket with what it is replicated to, and writes what is missing there: lines of progress and failures, and a summary at the end. */
  resyncReplication(bucket: string, options: CallOptions = {}): AsyncGenerator<FsckLine> {
    return this.#lines('/-/admin/v1/replication/resync', JSON.stringify({ bucket }), options);
  }

  /** Cross-checks metadata against fragments; gives progress and findings while it runs. */
  fsck(options: CallOptions = {}): AsyncGenerator<FsckLine> {
    return this.#lines('/-/admin/v1/fsck', undefined, options);
  }

  async *#lines(path: string, sent: string | undefined, options: CallOptions): AsyncGenerator<FsckLine> {
    const { body, exchange } = await this.#transport.send({
      ...options,
      method: 'POST',
      path,
      ...(sent !== undefined && { headers: { 'content-type': 'application/json' }, body: sent }),
      repeatable: false,
      read: (response, keep) => ({ body: response.body, exchange: keep() }),
    });
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    try {
      for (;;) {
        const next = await reader?.read();
        const lines = `${rest}${next?.value ?? ''}`.split('\n');
        rest = next?.done !== false ? '' : lines.pop()!;
        for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as FsckLine;
        if (next?.done !== false) return;
      }
    } finally {
      exchange.abort(undefined);
      exchange.close();
    }
  }
}
