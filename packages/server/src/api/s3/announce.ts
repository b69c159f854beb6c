import { canonicalIdOf, type Identity, identityOf, type Principal } from '../../access/index.ts';
import type {
  Announcement,
  BucketId,
  BucketRecord,
  Destination,
  MetadataReader,
  NoticeEvent,
  Proposer,
} from '../../metadata/index.ts';
import { type Announcer, announcing, type ObjectService } from '../../objects/index.ts';
import { bucketNamed } from './bucket-rules.ts';
import { ParsedConfigurations } from './configurations/form.ts';
import { notificationForm, rulesFor } from './configurations/notification.ts';
import { placeText, replicaPlaces, replicationOf } from './configurations/replication.ts';
import type { S3Operation } from './names.ts';

/*
 * Which operations are events, and who is to be told of one. It is decided here, when the request comes, from the configuration that this server knows; the change itself says
 * later which of the events it was. A bucket without a configuration costs two look-ups. What is replicated is announced in the same way: the targets are stores then.
 */

/** What the protocols need of the notifications of this server. */
export interface Notifications {
  /** The targets that there are, by name. */
  targets(): ReadonlyMap<
    string,
    { readonly eventBridge: boolean; readonly kind: string; readonly accounts?: readonly string[] }
  >;
  /** Whether every node of the cluster can read what is announced. */
  ready(): boolean;
  /** Sends a test event to each of the targets. @returns those that have not taken it, with what was wrong */
  test(call: {
    readonly targets: readonly string[];
    readonly bucket: string;
    readonly requestId: string;
    readonly hostId: string;
  }): Promise<readonly { readonly target: string; readonly failure?: string }[]>;
  /** Whether every node of the cluster announces what is to be replicated. */
  replicates(): boolean;
  /** Whether every node knows what versions say of their replication, and rules that ask for it. */
  tellsReplicas(): boolean;
  /** @returns in the words of AWS, what a bucket of a store that is a target lacks to be replicated to; undefined: nothing */
  lacks(destination: { readonly target: string; readonly bucket: string }): Promise<string | undefined>;
}

const removals: readonly NoticeEvent[] = ['ObjectRemoved:Delete', 'ObjectRemoved:DeleteMarkerCreated'];

const eventsOf: Partial<Record<S3Operation, readonly NoticeEvent[]>> = {
  PutObject: ['ObjectCreated:Put'],
  PostObject: ['ObjectCreated:Post'],
  CopyObject: ['ObjectCreated:Copy'],
  CompleteMultipartUpload: ['ObjectCreated:CompleteMultipartUpload'],
  DeleteObject: removals,
  DeleteObjects: removals,
  // The new key, and the old one.
  RenameObject: ['ObjectCreated:Copy', ...removals],
  PutObjectTagging: ['ObjectTagging:Put'],
  DeleteObjectTagging: ['ObjectTagging:Delete'],
  PutObjectAcl: ['ObjectAcl:Put'],
  RestoreObject: ['ObjectRestore:Post'],
};

/** Who asks, and what for. */
export interface AnnouncedRequest {
  readonly requestId: string;
  readonly hostId: string;
  readonly principal: string;
  /** Of the client, as the socket has it. */
  readonly address: string | undefined;
  readonly region: string;
}

const kept = new ParsedConfigurations(notificationForm);

/** Events after which a store that a bucket is replicated to has to be told something. */
const isReplicated = (event: NoticeEvent): boolean =>
  event.startsWith('ObjectCreated:') ||
  event.startsWith('ObjectTagging:') ||
  event === 'ObjectRemoved:DeleteMarkerCreated';

/**
 * Who asks, as notices keep him: `account/name`, the name being `AWS:` and the unique id of a user or session, as S3 has it, or the canonical id of the account whose key it is.
 */
export function principalText(principal: Principal): string {
  if (principal.kind === 'anonymous') return 'Anonymous';
  const { account = '', standing } = identityOf(principal);
  const named = principal.kind === 'identity' && standing.requester.kind !== 'root' && standing.userId !== undefined;
  return `${account}/${named ? `AWS:${standing.userId}` : canonicalIdOf(account)}`;
}

/** IPv4 within IPv6 is written as IPv4. */
const addressText = (address = ''): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

type Origin = Announcement['origin'];

/** What is kept of a bucket that says whom its events are for; one of them at least. */
interface Told {
  readonly notification: Buffer | undefined;
  readonly replication?: Buffer | undefined;
}

/** Who is to be told of events of a bucket. @param bridges the targets of EventBridge, asked for where there is a use for them */
function announcerOf(
  bucket: BucketRecord,
  { notification, replication }: Told,
  bridges: () => readonly string[],
  events: readonly NoticeEvent[],
  about: Omit<Origin, 'bucketName' | 'bucketOwner'>,
  replica = false,
): Announcer {
  const rules = notification && kept.of(bucket.name, notification);
  const replicas = replication && replicationOf(bucket.name, replication);
  const replicated = replicas ? events.filter(isReplicated) : [];
  const buses = rules?.eventBridge ? bridges() : [];
  const origin = { ...about, bucketName: bucket.name, bucketOwner: bucket.owner };
  return (key) => {
    const text = key.toString('utf8');
    const destinations = events.flatMap((event): Destination[] => [
      ...(rules ? rulesFor(rules, event, text) : []).map(
        ({ target, id }): Destination => ({ event, target, configuration: id, shape: 's3' }),
      ),
      ...buses.map((target): Destination => ({ event, target, configuration: '', shape: 'eventBridge' })),
    ]);
    const places = replicas ? replicaPlaces(replicas, text) : [];
    for (const place of places)
      for (const event of replicated)
        destinations.push({ event, target: place.target, configuration: placeText(place), shape: 's3' });
    if (replica) return { origin, destinations, replication: 'replica' };
    if (destinations.length === 0) return undefined;
    return places.length === 0
      ? { origin, destinations }
      : { origin, destinations, replication: places.map(placeText) };
  };
}

/**
 * The object service for a request: one that announces what it changes, where somebody wants to know.
 * @param replica another store writes what it has to replicate: it goes nowhere from here, and the version says what it is
 * @param requested asked for only there
 */
export function announcingService(
  objects: ObjectService,
  notifications: Notifications | undefined,
  {
    operation,
    bucket: name,
    replica,
  }: { readonly operation: S3Operation; readonly bucket: string; readonly replica: boolean },
  requested: () => AnnouncedRequest,
): ObjectService {
  const events = eventsOf[operation];
  if (!events || !notifications || name === '') return objects;
  // That there is no such bucket is the operation's to say.
  const bucket = bucketNamed(objects, name);
  if (!bucket) return objects;
  const notification = objects.configuration(name, 'notification');
  const replication = !replica && events.some(isReplicated) ? objects.configuration(name, 'replication') : undefined;
  if (!notification && !replication && !replica) return objects;
  const { requestId, hostId, principal, region, address } = requested();
  const bridges = () => [...notifications.targets()].flatMap(([name, { eventBridge }]) => (eventBridge ? [name] : []));
  const about = {
    requestId,
    hostId,
    principal,
    region,
    address: addressText(address),
    // Of an operation that deletes many, EventBridge knows one name only.
    reason: operation === 'DeleteObjects' ? 'DeleteObject' : operation,
  };
  return objects.announcing(announcerOf(bucket, { notification, replication }, bridges, events, about, replica));
}

const restorations: readonly NoticeEvent[] = ['ObjectRestore:Completed', 'ObjectRestore:Delete'];
const expirations: readonly NoticeEvent[] = ['LifecycleExpiration:Delete', 'LifecycleExpiration:DeleteMarkerCreated'];

/** The object service for a request of somebody: what a user writes counts for him, where he has a quota. */
export function writingService(
  objects: ObjectService,
  method: string | undefined,
  { standing }: Identity,
): ObjectService {
  const { requester, userId } = standing;
  if (method === 'GET' || method === 'HEAD' || requester.kind !== 'user' || userId === undefined) return objects;
  return objects.by(userId) ?? objects;
}

/** Nobody asked for it, from nowhere. */
const ofItself = {
  requestId: '',
  hostId: '',
  principal: 's3.amazonaws.com',
  address: 's3.amazonaws.com',
  reason: '',
};

/** What lifecycles propose, and what comes of restores, announced as AWS does. @param bridges the targets of EventBridge */
export function lifecycleProposer(
  proposer: Proposer,
  reader: Pick<MetadataReader, 'bucketById' | 'configuration'>,
  bridges: () => readonly string[],
): Proposer {
  const announcer = (id: BucketId, events: readonly NoticeEvent[]): Announcer | undefined => {
    const bucket = reader.bucketById(id);
    const notification = bucket && reader.configuration(id, 'notification');
    return (
      notification && announcerOf(bucket, { notification }, bridges, events, { ...ofItself, region: bucket.region })
    );
  };
  return {
    propose(command, request) {
      if (command.type === 'restore.advance') {
        const items = command.items.map((item) => {
          const announce = announcer(item.bucket, restorations)?.(item.key);
          return announce ? { ...item, announce } : item;
        });
        return proposer.propose({ ...command, items }, request);
      }
      const moves = command.type === 'object.annotate' && command.change.storageClass !== undefined;
      if (command.type !== 'object.delete' && !moves) return proposer.propose(command, request);
      const found = announcer(command.bucket, moves ? ['LifecycleTransition'] : expirations);
      return (found ? announcing(proposer, found) : proposer).propose(command, request);
    },
  };
}
