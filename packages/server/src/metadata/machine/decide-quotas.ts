import { StoreError } from '../../errors.ts';
import type { Command } from '../types.ts';
import { firstAccount } from './decide-identities.ts';
import { bucketOf, type Decision, type Stamp } from './deciding.ts';
import type { Effect, VersionInsert } from './effects.ts';
import { IdentityView } from './identity-view.ts';
import { keys } from './keys.ts';
import { decodePieceRow } from './pieces.ts';
import { QuotaView } from './quota-view.ts';
import { type QuotaCommand, type QuotaReader, type QuotaSubject, tenantOf, type Usage } from './quotas.ts';
import type { BucketId, StoredBucket } from './records.ts';
import { decodeNumber } from './rows.ts';
import { partBytes, sequenceOf } from './usage.ts';
import { VersionRow } from './versions.ts';
import type { View } from './view.ts';

/*
 * Who decides a write decides with it whether it keeps within the quotas, on the state that all writes before it have left: so no two of one shard go beyond
 * one together. What other shards hold is as this node has last heard of it, and counts towards the sum: there a quota could be passed by what they take in the
 * time by which the node is behind them, so what comes near one is decided alone, after a look at the others (near-quotas.ts). What takes nothing is never refused, whatever is held already, and neither is a delete that leaves a marker.
 */

const invalid = (message: string): StoreError => new StoreError('InvalidArgument', { message });

function checkSubject(view: View, subject: QuotaSubject): void {
  if (subject.kind === 'bucket') bucketOf(view, subject.bucket);
  else if (subject.kind === 'user') {
    if (new IdentityView(view.rows).identity(subject.user)?.kind !== 'user')
      throw new StoreError('NoSuchEntity', {
        message: `There is no user with the id ${subject.user}: \`dsom user list\` shows those that there are.`,
      });
  } else if (subject.account !== firstAccount && !new IdentityView(view.rows).account(subject.account))
    throw new StoreError('NoSuchEntity', {
      message: `There is no tenant with the account ${subject.account}: \`dsom tenant list\` shows those that there are.`,
    });
}

export function writeQuota(view: View, { subject, quota }: QuotaCommand): Decision {
  const reply = { type: 'done' } as const;
  checkSubject(view, subject);
  const quotas = new QuotaView(view);
  const there = quotas.of(subject);
  if (quota === null) return { effects: there ? [{ type: 'quota.write', subject, quota }] : [], reply };
  const { bytes, objects } = quota;
  const given = [bytes, objects].filter((one) => one !== undefined);
  if (given.length === 0) throw invalid('A quota limits bytes, or objects, or both: say at least one of them.');
  if (!given.every((one) => Number.isSafeInteger(one) && one >= 0))
    throw invalid('A quota is a whole number from 0 up to 2^53 - 1.');
  if (there?.bytes === bytes && there?.objects === objects) return { effects: [], reply };
  const effects: Effect[] = [{ type: 'quota.write', subject, quota }];
  if (subject.kind === 'tenant' && !quotas.keeps(subject.account))
    effects.push({ type: 'usage.begin', account: subject.account });
  return { effects, reply };
}

/** Those that may add bytes or versions, and are no deletes. */
const adding: ReadonlySet<Command['type']> = new Set([
  'object.put',
  'object.share',
  'object.append',
  'object.rename',
  'rename.commit',
  'object.annotate',
  'upload.create',
  'upload.part',
  'upload.complete',
] satisfies Command['type'][]);

export const isAdding = ({ type }: Pick<Command, 'type'>): boolean => adding.has(type);

function sizeOf(view: View, { bucket, key }: Pick<VersionInsert, 'bucket' | 'key'>, sequence: number): number {
  const newest = view.newest(bucket, key);
  const row = newest?.sequence === sequence ? newest : newest && view.older(newest.guk, sequence);
  return row?.size ?? 0;
}

/** For whom what a command makes counts: who is said to write, or whom it counts for already. */
function writerOf(view: View, command: Command): string | undefined {
  const quotas = new QuotaView(view);
  if (command.type === 'upload.part' || command.type === 'upload.complete')
    return quotas.writerOf(sequenceOf(command.upload));
  if (command.type === 'object.rename') {
    const source = view.newest(command.bucket, command.source.key);
    return source && quotas.writerOf(source.sequence);
  }
  return 'writer' in command ? command.writer : undefined;
}

/**
 * What these effects add to what their bucket holds.
 * @param user to what he has written: only what counts for him does, and markers do not
 */
function added(view: View, effects: readonly Effect[], user?: string): Usage {
  const quotas = new QuotaView(view);
  const isCounted = (sequence: number): boolean => user === undefined || quotas.writerOf(sequence) === user;
  const gone = (effect: Pick<VersionInsert, 'bucket' | 'key'>, sequence: number): void => {
    if (sequence === 0 || !isCounted(sequence)) return;
    bytes -= sizeOf(view, effect, sequence);
    objects -= 1;
  };
  let [objects, bytes] = [0, 0];
  for (const effect of effects) {
    if (effect.type === 'version.insert') {
      const row = new VersionRow(effect.row);
      if (user === undefined || !row.isMarker) {
        bytes += row.size;
        objects += 1;
      }
      gone(effect, effect.replaces);
    } else if (effect.type === 'version.remove') gone(effect, effect.sequence);
    else if (effect.type === 'upload.part') {
      const { piece } = decodePieceRow(effect.row) as Extract<ReturnType<typeof decodePieceRow>, { kind: 'piece' }>;
      bytes += partBytes(view, effect.upload, piece, view.rows.get(keys.piece(effect.upload, effect.index))).change;
    } else if (effect.type === 'upload.complete') {
      const row = view.rows.get(keys.partBytes(effect.upload));
      if (row) bytes -= decodeNumber(row);
    }
  }
  return { objects, bytes };
}

/** What goes in another shard right after this: the old name of what is renamed, where no versions are kept. */
const goneWith = (command: Command, { versioning }: StoredBucket): Usage =>
  command.type === 'rename.commit' && versioning === 'off' && command.leaves !== true
    ? { objects: 1, bytes: command.source.size }
    : { objects: 0, bytes: 0 };

/** What is counted, as a message says it: markers count for nobody who wrote. */
const countedIn = (unit: keyof Usage, { kind }: QuotaSubject): string =>
  unit === 'bytes' ? 'bytes' : kind === 'user' ? 'objects (versions)' : 'objects (versions and delete markers)';

/** What a write to a bucket counts for. */
export const subjectsOf = (
  { id, owner }: Pick<StoredBucket, 'id' | 'owner'>,
  user?: string,
): readonly QuotaSubject[] => [
  { kind: 'bucket', bucket: id },
  { kind: 'tenant', account: tenantOf(owner) },
  ...(user === undefined ? [] : [{ kind: 'user', user } as const]),
];

const nameOf = (subject: QuotaSubject, bucket: string): string =>
  ({
    bucket: `The bucket ${bucket} holds`,
    tenant: `The tenant that owns ${bucket} holds`,
    user: 'The user who writes this has written',
  })[subject.kind];

/**
 * Looks whether what comes on top keeps within the quotas of a bucket, of its tenant, and of the user who writes.
 * @throws StoreError QuotaExceeded
 */
export function checkQuotas(
  quotas: Pick<QuotaReader, 'of' | 'usage'>,
  bucket: Pick<StoredBucket, 'id' | 'name' | 'owner'>,
  more: (subject: QuotaSubject) => Usage,
  user?: string,
): void {
  for (const subject of subjectsOf(bucket, user)) {
    const quota = quotas.of(subject);
    if (!quota) continue;
    const [adds, held] = [more(subject), quotas.usage(subject)];
    for (const unit of ['bytes', 'objects'] as const) {
      const most = quota[unit];
      if (most === undefined || adds[unit] <= 0 || held[unit] + adds[unit] <= most) continue;
      throw new StoreError('QuotaExceeded', {
        message: `${nameOf(subject, bucket.name)} ${held[unit]} of the ${most} ${countedIn(unit, subject)} that ${subject.kind === 'user' ? 'his' : 'its'} quota allows, and this adds ${adds[unit]}: delete objects, old versions or open uploads, or ask the operator for more (\`dsom quota set\`).`,
        detail: { Quota: subject.kind, Used: String(held[unit]), Allowed: String(most), Added: String(adds[unit]) },
      });
    }
  }
}

/**
 * The decision, where it keeps within the quotas.
 * @throws StoreError QuotaExceeded
 */
export function withinQuotas(view: View, command: Command, decision: Decision, { others, alone }: Stamp): Decision {
  if (!isAdding(command) || !('bucket' in command)) return decision;
  const here = new QuotaView(view);
  const quotas = others?.quotas ?? here;
  if (!quotas.any() && !here.any()) return decision;
  const bucket = bucketOf(view, command.bucket as BucketId);
  const { effects } = decision;
  const usage = (subject: QuotaSubject): Usage => {
    const [own, elsewhere] = [here.usage(subject), others?.usage(subject)];
    return { objects: own.objects + (elsewhere?.objects ?? 0), bytes: own.bytes + (elsewhere?.bytes ?? 0) };
  };
  const user = writerOf(view, command);
  const goes = goneWith(command, bucket);
  const more = (subject: QuotaSubject): Usage => {
    const { objects, bytes } = added(view, effects, subject.kind === 'user' ? subject.user : undefined);
    return { objects: objects - goes.objects, bytes: bytes - goes.bytes };
  };
  checkQuotas({ of: (subject) => quotas.of(subject), usage }, bucket, more, user);
  if (effects.length === 0 || !(alone || view.has('quotas'))) return decision;
  const account = tenantOf(bucket.owner);
  // In this shard, too, it is a row from here on.
  const begins = !here.keeps(account) && quotas.of({ kind: 'tenant', account }) !== undefined;
  const counted: Effect[] = begins ? [{ type: 'usage.begin', account }] : [];
  if (user !== undefined) counted.push(...charges(effects, user));
  return counted.length === 0 ? decision : { ...decision, effects: [...counted, ...effects] };
}

/** What these effects make counts for the user. */
const charges = (effects: readonly Effect[], user: string): Effect[] =>
  effects.flatMap((effect): Effect[] => {
    if (effect.type === 'upload.create')
      return [{ type: 'usage.charge', sequence: sequenceOf(effect.upload.id), user }];
    const row = effect.type === 'version.insert' ? new VersionRow(effect.row) : undefined;
    return row && !row.isMarker ? [{ type: 'usage.charge', sequence: row.sequence, user }] : [];
  });
