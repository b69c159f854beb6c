import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CorruptionError, StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { KvDamaged, type KvLook, openKv, type SharedKv } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import type { Position, SharedLog } from '../../log/index.ts';
import { installSnapshot, openMetadataReader, type ShardReplica } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { pack, type Transport } from '../../transport/index.ts';
import { ConfigError } from '../config.ts';
import type { ShardParts } from '../shard.ts';
import { salvage } from '../state.ts';
import { patiently } from './patience.ts';
import { callNames } from './serve.ts';

/*
 * The state of a node that the log cannot bring up to date: it is new, was away for longer than the log is kept, or is not what the others
 * have. It gets the whole state from the owner as a stream; until that is whole, what is here stays.
 */

export interface InstallOptions {
  /** Of the KV. */
  readonly directory: string;
  readonly host: Host;
  readonly shared: SharedLog;
  readonly transport: Transport;
  readonly node: string;
  readonly log: StructuredLog;
  /** Number of the shard; the system shard when left out. */
  readonly shard?: number;
  /** Is told where no state was here, or none that can be read. */
  readonly made: MadeAnew;
  /** Is told where a damaged state was opened all the same. */
  readonly onMetadata: ShardParts['onMetadata'];
}

/** What a state was made from, and why the one that was here could not be used, in words; both undefined where it could. */
export interface MadeAnew {
  from?: string;
  why?: string;
}

/**
 * Tells of a state that was made anew although one should have been here.
 * @param before whether this node had one: a new node has none, and none of a shard that it opens for the first time
 * @param others states of which it was told
 * @returns all of it for the operator; undefined where nothing is to be told
 */
export function madeAnewText(
  { from, why }: MadeAnew,
  before: boolean,
  log: StructuredLog,
  others: readonly { readonly rebuilt: string | undefined }[] = [],
): string | undefined {
  const isTold = before && from !== undefined && why !== undefined;
  if (isTold) log.warn('metadata of this node could not be used, and were made anew', { why, from });
  const texts = [isTold ? `${why}; it comes from ${from}` : undefined, ...others.map(({ rebuilt }) => rebuilt)];
  return texts.filter((text) => text !== undefined).join(', and ') || undefined;
}

/** Beside the KV: it is not what other nodes have, and is to be replaced. */
const condemnedName = (directory: string): string => `${directory}.diverged`;

/** The state of this node is not that of the others: the next start takes it from one of them. The old one is kept beside it. */
export function condemn(directory: string): void {
  rmSync(condemnedName(directory), { recursive: true, force: true });
  renameSync(directory, condemnedName(directory));
}

/** The state that a node has follows its log no more. What opens anew takes that of another node. */
export class Overtaken extends Error {
  constructor(why: string, cause?: unknown) {
    super(
      `the metadata of this node cannot follow those of the others: ${why}. Start it again: it takes them from another node`,
      { cause },
    );
  }
}

/**
 * Waits until a replica has what its log holds up to `end`.
 * @param directory of its KV
 * @throws Overtaken when it never will: the state is another one, which is put aside, or the others let go of entries that it lacks. They wait for
 * the states of a quorum and for no single node, so this happens to one that is slow.
 */
export async function catchUp(
  replica: Pick<ShardReplica, 'reached' | 'failureKind' | 'failure'>,
  end: Position,
  directory: string,
): Promise<void> {
  await replica.reached(end).catch((cause: unknown) => {
    const kind = replica.failureKind();
    if (kind === 'diverged') condemn(directory);
    if (kind === 'diverged' || kind === 'behind') throw new Overtaken(replica.failure() ?? kind, cause);
    throw cause;
  });
}

/**
 * Opens a node, and again when the log went on without its state meanwhile.
 * @throws what opening throws; {@link Overtaken} after `limits.nodeOpenings`
 */
export async function untilItFollows<Opened>(log: StructuredLog, open: () => Promise<Opened>): Promise<Opened> {
  for (let times = 1; ; times++) {
    try {
      return await open();
    } catch (cause) {
      if (!(cause instanceof Overtaken) || times >= limits.nodeOpenings) throw cause;
      log.warn('the state of this node cannot follow the log any more: it opens anew, with that of another node', {
        cause,
      });
    }
  }
}

/** Opens the KV with a state that the log goes on from, which may be an empty one, and tells the log of it. */
export async function openReplicaKv(options: InstallOptions): Promise<SharedKv> {
  const { directory, host, shared, log } = options;
  const { made } = options;
  const existed = existsSync(path.join(directory, 'data.mdb'));
  if (!existed) made.why = `there was none in ${directory}`;
  const { kv: kept, damage } = await openKept(options);
  const here = kept ?? (await openOnly(options, existed, damage));
  const taken = here ? undefined : await openTaken(options);
  const kv = here ?? taken ?? (await openKv({ directory, host }));
  if (made.why !== undefined) made.from = taken ? 'another node' : 'the log, which goes back to the first entry';
  // From here on the log waits for this replica's snapshots too before it lets go of entries.
  await patiently(host, log, 'telling the log of this replica', () =>
    shared.covered(openMetadataReader(kv).position()),
  );
  return kv;
}

interface Kept {
  /** Undefined when it cannot be used. */
  readonly kv?: SharedKv;
  readonly damage?: CorruptionError;
}

/** The state that is here already. */
async function openKept({ directory, host, shared, log, made }: InstallOptions): Promise<Kept> {
  let kv: SharedKv | undefined;
  let damage: CorruptionError | undefined;
  try {
    const onLook = (look: KvLook) => log.warn('metadata: looking', { ...look });
    kv = await openKv({ directory, host, onLook });
    const position = openMetadataReader(kv).position();
    if (position + 1 >= shared.tail) return { kv };
    if (position > 0)
      log.warn('the log is kept from a later position than this node has: it takes the state of another node', {
        position,
        kept: shared.tail,
      });
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    damage = cause;
    log.error('the state of this node cannot be read: it takes that of another node', { directory, cause });
    made.why = `the one in ${directory} could not be read (${cause.message})`;
  }
  await kv?.close();
  return damage ? { damage } : {};
}

/**
 * Where no other node has a state and the log does not go back to the first entry: what is here, although its file contradicts itself. Undefined
 * where there is another way.
 * @throws ConfigError where there is none
 */
async function openOnly(
  options: InstallOptions,
  existed: boolean,
  damage: CorruptionError | undefined,
): Promise<SharedKv | undefined> {
  const { directory, host, shared, node, log, made, onMetadata } = options;
  if (shared.tail === 1) return undefined;
  const replicas = await patiently(host, log, 'asking which nodes have the metadata', () => shared.replicas());
  // A node that comes is not among them.
  if (replicas.length !== 1 || replicas[0] !== node) return undefined;
  const reason = damage?.message ?? made.why ?? `the one in ${directory} is too old`;
  if (damage instanceof KvDamaged) {
    const kv = await openKv({ directory, host, asItIs: true }).catch(() => undefined);
    if (kv) {
      delete made.why;
      onMetadata({ state: 'opened as it is', directory, reason, advice: salvage('this node') });
      return kv;
    }
  }
  // The one that is put back should find its place free.
  if (!existed) rmSync(directory, { recursive: true, force: true });
  throw new ConfigError(
    `the metadata in ${directory} cannot be made anew: ${reason}, no other node has them, and the log does not go back to the first entry any more. Put the folder back, or restore this node whole from a backup`,
  );
}

/** The state of the owner of the log, in the place of the one that is here; undefined while the log still holds all of it. */
async function openTaken(options: InstallOptions): Promise<SharedKv | undefined> {
  const { directory, host, shared, log } = options;
  if (shared.tail === 1) {
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
  const deadline = host.clock.monotonic() + limits.installMs;
  for (;;) {
    try {
      await take(options);
      return await openKv({ directory, host });
    } catch (cause) {
      if (host.clock.monotonic() > deadline) throw cause;
      log.warn('the state could not be taken from another node yet; it tries again', { cause });
      await host.timers.sleep(limits.installRetryMs);
    }
  }
}

async function take({ directory, host, shared, transport, node, log, shard = 0 }: InstallOptions): Promise<void> {
  const owner = shared.owner();
  if (!owner || owner.node === node)
    throw new StoreError('ServiceUnavailable', { message: 'No other node owns the shard.' });
  const peer = transport.peer(owner.node, owner.address);
  try {
    const chunks = counted(peer.stream(callNames.snapshot, pack(shard === 0 ? null : { shard })), host, log);
    const { position } = await installSnapshot({ directory, host, chunks, atLeast: shared.tail - 1 });
    log.info('the state was taken from another node', { node: owner.node, position });
  } finally {
    await peer.close();
  }
}

/** Tells how far it is. */
async function* counted(stream: AsyncIterable<Buffer>, host: Host, log: StructuredLog): AsyncGenerator<Buffer> {
  let bytes = 0;
  let toldAt = host.clock.monotonic();
  for await (const piece of stream) {
    bytes += piece.length;
    yield piece;
    if (host.clock.monotonic() - toldAt < limits.installToldMs) continue;
    toldAt = host.clock.monotonic();
    log.info('taking the state of another node', { bytes });
  }
}
