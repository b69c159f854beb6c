import { accountOf, canonicalIdOf } from '../access/index.ts';
import { etagText, type Notice } from '../metadata/index.ts';
import { versionIdText } from '../objects/index.ts';

/*
 * Notices as their targets get them: records of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html) and events of EventBridge
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
 */

/** Where a notice stands: its entry in the log of its shard, and its place among the notices of that entry. */
export interface NoticePlace {
  readonly shard: number;
  readonly position: number;
  readonly ordinal: number;
}

/** A message ready to be sent. */
export interface Message {
  /** The same for the same event, however often it is sent. */
  readonly id: string;
  readonly body: Buffer;
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');

/** Orders the events of one key: compared as text, the later event has the greater one. Always 18 digits. */
const sequencerOf = (notice: Pick<Notice, 'place'>, { position, ordinal }: NoticePlace): string =>
  hex(notice.place, 2) + hex(position, 11) + hex(ordinal, 5);

const plain = /[A-Za-z0-9.\-*_/]/;

/** A key as AWS writes it: encoded as in a form (a space is `+`), but for the slashes. */
function encodedKey(key: Buffer): string {
  let out = '';
  for (const byte of key) {
    const character = String.fromCharCode(byte);
    if (plain.test(character)) out += character;
    else out += byte === 0x20 ? '+' : `%${hex(byte, 2)}`;
  }
  return out;
}

const iso = (ms: number): string => new Date(ms).toISOString();
/** The same without fractions of a second. */
const seconds = (ms: number): string => iso(ms).replace(/\.\d+Z$/, 'Z');
const arnOf = (bucket: string): string => `arn:aws:s3:::${bucket}`;

/** Kinds of events whose records have a younger version than the others. */
const youngKinds: ReadonlySet<string> = new Set([
  'LifecycleExpiration',
  'LifecycleTransition',
  'ObjectTagging',
  'ObjectAcl',
]);

const kindOf = (event: Notice['event']): string => event.split(':')[0] as string;

/** Who asked, from `account/name`. A service, and nobody in particular, has no account; nor has what a version of before named by a key. */
function requesterOf({ principal }: Notice['origin']): { readonly account: string; readonly name: string } {
  const slash = principal.indexOf('/');
  return slash < 0
    ? { account: principal, name: principal }
    : { account: principal.slice(0, slash), name: principal.slice(slash + 1) };
}

/** The `Records` document of S3 with this one record. */
function s3Record(notice: Notice, place: NoticePlace, configurationId: string): object {
  const { event, origin, object, restore } = notice;
  const record = {
    eventVersion: youngKinds.has(kindOf(event)) ? '2.3' : '2.1',
    eventSource: 'aws:s3',
    awsRegion: origin.region,
    eventTime: iso(notice.timeMs),
    eventName: event,
    userIdentity: { principalId: requesterOf(origin).name },
    requestParameters: { sourceIPAddress: origin.address },
    responseElements: { 'x-amz-request-id': origin.requestId, 'x-amz-id-2': origin.hostId },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: {
        name: origin.bucketName,
        ownerIdentity: { principalId: canonicalIdOf(accountOf(origin.bucketOwner)) },
        arn: arnOf(origin.bucketName),
      },
      object: {
        key: encodedKey(notice.key),
        ...(object && { size: object.size, eTag: etagText(object.etag, object.etagParts) }),
        ...(notice.versioned && { versionId: versionIdText(notice) }),
        sequencer: sequencerOf(notice, place),
      },
    },
    ...(event === 'ObjectRestore:Completed' &&
      restore && {
        glacierEventData: {
          restoreEventData: {
            lifecycleRestorationExpiryTime: iso(restore.untilMs),
            lifecycleRestoreStorageClass: restore.storageClass,
          },
        },
      }),
  };
  return { Records: [record] };
}

const detailTypes: Readonly<Record<string, string>> = {
  ObjectCreated: 'Object Created',
  ObjectRemoved: 'Object Deleted',
  LifecycleExpiration: 'Object Deleted',
  LifecycleTransition: 'Object Storage Class Changed',
  'ObjectTagging:Put': 'Object Tags Added',
  'ObjectTagging:Delete': 'Object Tags Deleted',
  'ObjectAcl:Put': 'Object ACL Updated',
  'ObjectRestore:Post': 'Object Restore Initiated',
  'ObjectRestore:Completed': 'Object Restore Completed',
  'ObjectRestore:Delete': 'Object Restore Expired',
};

const withReason: ReadonlySet<string> = new Set(['ObjectCreated', 'ObjectRemoved', 'LifecycleExpiration']);

/** @param id a UUID, the same for the same event */
function eventBridgeEvent(notice: Notice, place: NoticePlace, id: string): object {
  const { event, origin, object, restore } = notice;
  const kind = kindOf(event);
  const deletes = kind === 'ObjectRemoved' || kind === 'LifecycleExpiration';
  return {
    version: '0',
    id,
    'detail-type': detailTypes[event] ?? detailTypes[kind],
    source: 'aws.s3',
    account: accountOf(origin.bucketOwner),
    time: seconds(notice.timeMs),
    region: origin.region,
    resources: [arnOf(origin.bucketName)],
    detail: {
      version: '0',
      bucket: { name: origin.bucketName },
      object: {
        key: notice.key.toString('utf8'),
        ...(object && { size: object.size, etag: etagText(object.etag, object.etagParts) }),
        ...(notice.versioned && { 'version-id': versionIdText(notice) }),
        sequencer: sequencerOf(notice, place),
      },
      'request-id': origin.requestId,
      requester: requesterOf(origin).account,
      // The service that did it by itself has none.
      ...(origin.address !== '' && origin.address !== origin.principal && { 'source-ip-address': origin.address }),
      ...(withReason.has(kind) && { reason: kind === 'LifecycleExpiration' ? 'Lifecycle Expiration' : origin.reason }),
      ...(restore && event !== 'ObjectRestore:Delete' && { 'source-storage-class': restore.storageClass }),
      ...(restore && restore.untilMs > 0 && { 'restore-expiry-time': seconds(restore.untilMs) }),
      ...(deletes && {
        'deletion-type': event.endsWith(':DeleteMarkerCreated') ? 'Delete Marker Created' : 'Permanently Deleted',
      }),
    },
  };
}

/** Sixteen bytes that name an event, as a UUID (version 8: of the maker's own kind). */
function uuidOf({ shard, position, ordinal }: NoticePlace, bucket: number): string {
  const digits = hex(shard, 4) + hex(bucket, 8) + hex(position, 12) + hex(ordinal, 6);
  const text = `${digits.slice(0, 12)}8${digits.slice(12, 15)}8${digits.slice(15)}`.padEnd(32, '0').toLowerCase();
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

/** What is sent of a notice to one of its destinations. */
export function messageOf(notice: Notice, place: NoticePlace, destination: Notice['destinations'][number]): Message {
  const id = uuidOf(place, notice.bucket);
  const value =
    destination.shape === 'eventBridge'
      ? eventBridgeEvent(notice, place, id)
      : s3Record(notice, place, destination.configuration);
  return { id: `${id}/${destination.configuration}`, body: Buffer.from(JSON.stringify(value)) };
}

/** What AWS sends when a configuration is made. */
export const testMessage = (
  bucket: string,
  origin: { readonly requestId: string; readonly hostId: string; readonly nowMs: number },
): Message => ({
  id: `test/${origin.requestId}`,
  body: Buffer.from(
    JSON.stringify({
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: iso(origin.nowMs),
      Bucket: bucket,
      RequestId: origin.requestId,
      HostId: origin.hostId,
    }),
  ),
});

/** Said to a target before anything else when the log had to be cut before its events were delivered: those of [from, to) are lost for it. */
export const lostMessage = (lost: {
  readonly target: string;
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly nowMs: number;
}): Message => ({
  id: `lost/${lost.target}/${lost.shard}/${lost.to}`,
  body: Buffer.from(
    JSON.stringify({
      Service: 'DSOM',
      Event: 'dsom:EventsLost',
      Time: iso(lost.nowMs),
      Target: lost.target,
      Shard: lost.shard,
      FromPosition: lost.from,
      ToPosition: lost.to,
    }),
  ),
});
