import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Announcement, Command } from '../types.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { choice, count, ended, format } from './fields.ts';
import type { BucketId, ObjectVersion, VersionRecord } from './records.ts';
import { VersionRow } from './versions.ts';
import type { View } from './view.ts';

/*
 * What is told to the targets of event notifications. A notice stands in the entry of the change that it tells of, whole: who is to be told was decided
 * when the request came, so neither a changed configuration nor a deleted bucket takes it back. It changes no row. Whoever owns the shard delivers it, from
 * the position that the row of the target in table `followers` has (notifications/README.md).
 */

/** Kinds of events, each at its number in the log: a new one goes to the end. Their names are those of S3 without `s3:`. */
export const noticeEvents = [
  'ObjectCreated:Put',
  'ObjectCreated:Post',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:Delete',
  'ObjectRemoved:DeleteMarkerCreated',
  'ObjectTagging:Put',
  'ObjectTagging:Delete',
  'ObjectAcl:Put',
  'ObjectRestore:Post',
  'ObjectRestore:Completed',
  'ObjectRestore:Delete',
  'LifecycleExpiration:Delete',
  'LifecycleExpiration:DeleteMarkerCreated',
  'LifecycleTransition',
] as const;

export type NoticeEvent = (typeof noticeEvents)[number];

/** Who is told, and in which shape: records of S3, or events of EventBridge. */
export interface Destination {
  readonly event: NoticeEvent;
  readonly target: string;
  /** Id of the configuration that names the target; empty for EventBridge. */
  readonly configuration: string;
  readonly shape: 's3' | 'eventBridge';
}

/** Where a change comes from. Texts, empty where they are not known. */
export interface Origin {
  readonly requestId: string;
  readonly hostId: string;
  readonly principal: string;
  readonly address: string;
  /** Name of the S3 operation, for EventBridge's `reason`. */
  readonly reason: string;
  readonly bucketName: string;
  readonly bucketOwner: string;
  readonly region: string;
}

export interface Notice {
  readonly event: NoticeEvent;
  readonly origin: Origin;
  readonly destinations: readonly Omit<Destination, 'event'>[];
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly timeMs: number;
  /** Of the version that came, changed or went. */
  readonly sequence: number;
  readonly nonce: Buffer;
  readonly isNull: boolean;
  /** Whether its bucket has, or had, versioning turned on: then the event names the version. */
  readonly versioned: boolean;
  /** Place of this shard among those of the bucket: a key only ever moves to a later one, so with the position it orders the events of a key. */
  readonly place: number;
  /** What is known of an object, and not of a marker or what was removed. */
  readonly object: { readonly size: number; readonly etag: Buffer; readonly etagParts: number } | undefined;
  /** Of an event of a restore: the class of the object, and until when it is restored (ms since 1970; 0 where it is not). */
  readonly restore?: { readonly storageClass: string; readonly untilMs: number };
}

const originFields = [
  'requestId',
  'hostId',
  'principal',
  'address',
  'reason',
  'bucketName',
  'bucketOwner',
  'region',
] as const satisfies readonly (keyof Origin)[];
const shapes = ['s3', 'eventBridge'] as const;
const flagNull = 1;
const flagVersioned = 2;
const flagObject = 4;
const flagRestore = 8;

function writeOrigin(out: ByteWriter, origin: Origin): void {
  for (const field of originFields) out.string(origin[field]);
}

const readOrigin = (from: ByteReader): Origin =>
  Object.fromEntries(originFields.map((field) => [field, from.string()])) as unknown as Origin;

/** Shape u8, target string, configuration string. */
const writeDestination = (out: ByteWriter, { shape, target, configuration }: Omit<Destination, 'event'>): ByteWriter =>
  out.u8(shapes.indexOf(shape)).string(target).string(configuration);

/** @param what its shape is, for errors */
const readDestination = (from: ByteReader, what: string): Omit<Destination, 'event'> => ({
  shape: choice(shapes, from.u8(), what),
  target: from.string(),
  configuration: from.string(),
});

/** The texts of the origin as strings, count varint, destinations each: event u8, shape u8, target string, configuration string. */
export function writeAnnouncement(out: ByteWriter, { origin, destinations }: Announcement): void {
  writeOrigin(out, origin);
  out.varint(destinations.length);
  for (const one of destinations) writeDestination(out.u8(noticeEvents.indexOf(one.event)), one);
}

export function readAnnouncement(from: ByteReader): Announcement {
  const origin = readOrigin(from);
  const destinations = Array.from({ length: count(from) }, () => ({
    event: choice(noticeEvents, from.u8(), 'event of an announcement'),
    ...readDestination(from, 'shape of an announcement'),
  }));
  return { origin, destinations };
}

/**
 * 01, event u8 (its place in {@link noticeEvents}), flags u8 (1 null version, 2 the bucket has versioning, 4 size and ETag follow, 8 a restore follows), bucket u32, key bytes, time varint, sequence varint,
 * nonce 8, place of the shard varint, the texts of the origin as strings, count varint, destinations each: shape u8, target string, configuration string; with flag 4: size varint, ETag 16, its parts varint;
 * with flag 8: storage class string, until varint.
 */
export function encodeNotice(notice: Notice): Buffer {
  const { object, restore, origin, destinations } = notice;
  const flags =
    (notice.isNull ? flagNull : 0) |
    (notice.versioned ? flagVersioned : 0) |
    (object === undefined ? 0 : flagObject) |
    (restore === undefined ? 0 : flagRestore);
  const out = new ByteWriter()
    .u8(1)
    .u8(noticeEvents.indexOf(notice.event))
    .u8(flags)
    .u32(notice.bucket)
    .bytes(notice.key)
    .varint(notice.timeMs)
    .varint(notice.sequence)
    .raw(notice.nonce)
    .varint(notice.place);
  writeOrigin(out, origin);
  out.varint(destinations.length);
  for (const one of destinations) writeDestination(out, one);
  if (object) out.varint(object.size).raw(object.etag).varint(object.etagParts);
  if (restore) out.string(restore.storageClass).varint(restore.untilMs);
  return out.finish();
}

export function decodeNotice(bytes: Buffer): Notice {
  const from = new ByteReader(bytes);
  format(from, 1, 'notice');
  const event = choice(noticeEvents, from.u8(), 'event of a notice');
  const flags = from.u8();
  const bucket = from.u32();
  const key = from.bytes();
  const [timeMs, sequence, nonce, place] = [from.varint(), from.varint(), from.raw(8), from.varint()];
  const origin = readOrigin(from);
  const destinations = Array.from({ length: count(from) }, () => readDestination(from, 'shape of a notice'));
  const object = flags & flagObject ? { size: from.varint(), etag: from.raw(16), etagParts: from.varint() } : undefined;
  const restore = flags & flagRestore ? { storageClass: from.string(), untilMs: from.varint() } : undefined;
  const isNull = (flags & flagNull) > 0;
  const versioned = (flags & flagVersioned) > 0;
  const notice = {
    event,
    origin,
    destinations,
    bucket,
    key,
    timeMs,
    sequence,
    nonce,
    isNull,
    versioned,
    place,
    object,
    ...(restore && { restore }),
  };
  return ended(from, notice);
}

/** What a command says is to be told of a key. A deletion of many keys says it of each, a new name of both. */
export function announcementOf(command: Command, key: Buffer): Announcement | undefined {
  if (command.type === 'object.delete' || command.type === 'restore.advance')
    return command.items.find((item) => item.key.equals(key))?.announce;
  if (command.type === 'object.rename' && !command.key.equals(key)) return command.source.announce;
  return 'announce' in command ? command.announce : undefined;
}

/** Most commands announce nothing, and pay for no look at their effects. */
export function announces(command: Command): boolean {
  if (command.type === 'object.delete' || command.type === 'restore.advance')
    return command.items.some(({ announce }) => announce !== undefined);
  if (command.type === 'object.rename' && command.source.announce !== undefined) return true;
  return 'announce' in command && command.announce !== undefined;
}

/** Which of the events that a command may announce an effect is. */
const isFor = (event: NoticeEvent, effect: 'object' | 'marker' | 'removal'): boolean => {
  const marks = event.endsWith(':DeleteMarkerCreated');
  const removes = event === 'ObjectRemoved:Delete' || event === 'LifecycleExpiration:Delete';
  return effect === 'marker' ? marks : effect === 'removal' ? removes : !marks && !removes;
};

/** What an event of a restore tells: that it began, is done, or is over. */
const restoreEvents = { ongoing: 'ObjectRestore:Post', restored: 'ObjectRestore:Completed' } as const;

const restoreOf = ({ storageClass, restore }: ObjectVersion): NonNullable<Notice['restore']> => ({
  storageClass,
  untilMs: restore?.state === 'restored' ? restore.untilMs : 0,
});

const tells = (event: NoticeEvent, version: VersionRecord | undefined): boolean => {
  if (!event.startsWith('ObjectRestore:')) return true;
  const restore = version?.kind === 'object' ? version.restore : undefined;
  return event === (restore ? restoreEvents[restore.state] : 'ObjectRestore:Delete');
};

function noticeOf(view: View, command: Command, stamp: Stamp, effect: Effect): Effect | undefined {
  if (effect.type !== 'version.insert' && effect.type !== 'version.update' && effect.type !== 'version.remove') return;
  const announced = announcementOf(command, effect.key);
  if (!announced) return;
  const { bucket, key } = effect;
  const version = effect.type === 'version.remove' ? undefined : new VersionRow(effect.row).record();
  const versioned = view.bucket(bucket)?.versioning !== 'off';
  // Where versions were never kept, a marker is what is left of what was deleted.
  const kind = version === undefined || (version.kind === 'marker' && !versioned) ? 'removal' : version.kind;
  const destinations = announced.destinations.filter(({ event }) => isFor(event, kind) && tells(event, version));
  const [first] = destinations;
  if (!first) return;
  const { sequence, nonce, isNull } = version ?? (effect as Extract<Effect, { type: 'version.remove' }>);
  const notice: Notice = {
    event: first.event,
    origin: announced.origin,
    destinations: destinations.map(({ target, configuration, shape }) => ({ target, configuration, shape })),
    bucket,
    key,
    timeMs: stamp.now,
    sequence,
    nonce,
    isNull,
    versioned,
    place: Math.max(0, view.bucketShards(bucket)?.shards.indexOf(stamp.shard) ?? 0),
    object:
      version?.kind === 'object' ? { size: version.size, etag: version.etag, etagParts: version.etagParts } : undefined,
    ...(first.event.startsWith('ObjectRestore:') && version?.kind === 'object' && { restore: restoreOf(version) }),
  };
  return { type: 'notice', notice: encodeNotice(notice) };
}

/** Adds what is to be told of a decision, where every node can read it: the change itself is never refused for its sake. */
export function announced(view: View, command: Command, decision: Decision, stamp: Stamp): Decision {
  if (!announces(command)) return decision;
  if (!stamp.alone && !view.has('notifications')) return decision;
  const notices = decision.effects.flatMap((effect) => noticeOf(view, command, stamp, effect) ?? []);
  return notices.length === 0 ? decision : { ...decision, effects: [...decision.effects, ...notices] };
}

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

/** @throws StoreError InvalidRequest beyond the number of targets, or the bytes of one */
export function decideTarget(view: View, command: Of<'target.write'>): Decision {
  const { name, record } = command;
  const there = view.targets().get(name);
  if (there?.equals(record)) return done();
  if (record.length > limits.targetBytes)
    throw new StoreError('InvalidRequest', {
      message: `What is kept of a target has ${limits.targetBytes} bytes at most: give it fewer or shorter headers.`,
    });
  if (!there && view.targets().size >= limits.targets)
    throw new StoreError('InvalidRequest', {
      message: `There are ${limits.targets} targets of notifications. Remove one first.`,
    });
  return done({ type: 'target.write', name, record });
}

/** @throws StoreError NotFound */
export function decideTargetGone(view: View, { name }: Of<'target.remove'>): Decision {
  if (!view.targets().has(name))
    throw new StoreError('NotFound', {
      message: `There is no target ${name} of notifications: \`dsom notify target list\` shows those that there are.`,
    });
  return done({ type: 'target.remove', name });
}

/** The position of a follower never goes back. */
export function decideFollower(view: View, { name, position }: Of<'follower.advance'>): Decision {
  const before = view.follower(name);
  if (before !== undefined && before >= position) return done();
  if (before === undefined && view.followers().size >= limits.followers)
    throw new StoreError('InvalidRequest', { message: `There are ${limits.followers} followers of this shard.` });
  return done({ type: 'follower.write', name, position });
}

export function decideFollowerGone(view: View, { name }: Of<'follower.remove'>): Decision {
  return view.follower(name) === undefined ? done() : done({ type: 'follower.remove', name });
}

/** Effects of notifications, as they stand in entries. */
export const notificationCodecs = {
  'target.write': {
    code: 70,
    write: (out: ByteWriter, effect: { readonly name: string; readonly record: Buffer }) =>
      out.string(effect.name).bytes(effect.record),
    read: (from: ByteReader) => ({ name: from.string(), record: from.bytes() }),
  },
  'target.remove': {
    code: 71,
    write: (out: ByteWriter, effect: { readonly name: string }) => out.string(effect.name),
    read: (from: ByteReader) => ({ name: from.string() }),
  },
  'follower.write': {
    code: 72,
    write: (out: ByteWriter, effect: { readonly name: string; readonly position: number }) =>
      out.string(effect.name).varint(effect.position),
    read: (from: ByteReader) => ({ name: from.string(), position: from.varint() }),
  },
  'follower.remove': {
    code: 73,
    write: (out: ByteWriter, effect: { readonly name: string }) => out.string(effect.name),
    read: (from: ByteReader) => ({ name: from.string() }),
  },
  notice: {
    code: 74,
    write: (out: ByteWriter, effect: { readonly notice: Buffer }) => out.bytes(effect.notice),
    read: (from: ByteReader) => ({ notice: from.bytes() }),
  },
} as const;
