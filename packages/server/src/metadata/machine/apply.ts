import { CorruptionError } from '../../errors.ts';
import { documentHandlers, forgetDocuments } from './bucket-documents.ts';
import { encodeAuthorityRecord, encodeDevice, encodeInvitation, encodeNode } from './cluster.ts';
import type { Effect, EffectType, VersionInsert, VersionRemove } from './effects.ts';
import { fits } from './fits.ts';
import {
  encodeAccount,
  encodeIdentity,
  type IdentityRecord,
  identityKinds,
  identityUses,
  usesOf,
} from './identities.ts';
import { IdentityView } from './identity-view.ts';
import { type counters, keys } from './keys.ts';
import { encodeKmsKey } from './kms-keys.ts';
import type { Application } from './manifests.ts';
import { memoKinds } from './memos.ts';
import { decodePieceRow, encodePieceRow } from './pieces.ts';
import { encodeRateLimits } from './rates.ts';
import type { BucketId } from './records.ts';
import { renameHandlers } from './renames.ts';
import {
  encodeAccessKey,
  encodeBucket,
  encodeBucketShards,
  encodeGroup,
  encodeIntent,
  encodeNumber,
  encodePlace,
  encodeRequest,
  encodeSetting,
  encodeUpload,
} from './rows.ts';
import { forgetQuota, meterPart, quotaHandlers, sequenceOf, takePartBytes } from './usage.ts';
import { VersionRow } from './versions.ts';

/*
 * Turns decided effects into rows. Nothing is decided here: whatever could be answered in two ways was answered before the entry was
 * written. The same effects over the same rows give the same rows in every replica, now and when the log is replayed.
 */

const count = (app: Application, name: keyof typeof counters, by: number): void =>
  app.tally(name, app.view.counter(name) + by);

const raise = (app: Application, name: keyof typeof counters, above: number): void => {
  if (app.view.counter(name) < above) app.tally(name, above);
};

/** Writes a row and says whether it is new. */
function put(app: Application, key: Buffer, value: Buffer): boolean {
  const fresh = app.rows.get(key) === undefined;
  app.rows.set(key, value);
  return fresh;
}

function remove(app: Application, key: Buffer, what: string): void {
  fits(app.rows.get(key), `${what} that is removed exists`);
  app.rows.set(key, undefined);
}

/** Lets go of what a version holds, and of its share of the counts. */
function drop(app: Application, bucket: BucketId, row: VersionRow): void {
  if (row.isOutside) {
    const record = row.record();
    fits(record.kind === 'object', 'a marker holds no bytes');
    app.release(record);
  }
  app.count(bucket, { versions: -1, bytes: -row.size }, row);
}

const live = (row: VersionRow | undefined): number => (row && !row.isMarker ? 1 : 0);

function insert(app: Application, effect: VersionInsert): void {
  const { bucket, key } = effect;
  fits(app.view.bucket(bucket), 'the bucket of a new version exists');
  const row = new VersionRow(effect.row);
  const newest = app.view.newest(bucket, key);
  if (effect.manifest !== 'new') {
    const record = row.record();
    fits(record.kind === 'object', 'a marker has no manifest');
    const { id, pieces, embedded } = record.manifest;
    if (effect.manifest === 'share') app.hold(id, effect.sharedPieces, pieces);
    else if (embedded) app.publish(embedded, id, bucket, key);
  }
  if (newest && newest.sequence === effect.replaces) drop(app, bucket, newest);
  else {
    if (effect.replaces > 0) removeOlder(app, bucket, row.guk, effect.replaces);
    if (newest) {
      app.rows.set(keys.history(newest.guk, newest.sequence), newest.bytes);
      if (newest.isNull) app.rows.set(keys.nullVersion(newest.guk), encodeNumber(newest.sequence));
    } else app.rows.add(keys.guk(row.guk), encodePlace(bucket, key));
  }
  app.rows.put(app.view.objectCell(app.rows, bucket, key), effect.row);
  app.count(bucket, { versions: 1, bytes: row.size, objects: live(row) - live(newest) }, row);
  raise(app, 'sequence', row.sequence + 1);
}

function removeOlder(app: Application, bucket: BucketId, guk: Buffer, sequence: number): void {
  const row = app.view.older(guk, sequence);
  fits(row, 'a version that is removed exists');
  drop(app, bucket, row);
  app.rows.set(keys.history(guk, sequence), undefined);
  if (row.isNull) app.rows.set(keys.nullVersion(guk), undefined);
}

function removeVersion(app: Application, { bucket, key, sequence }: VersionRemove): void {
  const newest = app.view.newest(bucket, key);
  fits(newest, 'the object of a version that is removed exists');
  const { guk } = newest;
  if (newest.sequence !== sequence) {
    removeOlder(app, bucket, guk, sequence);
    return;
  }
  drop(app, bucket, newest);
  const [next, more] = newest.mayHaveOlder ? [...app.view.history(guk, 2)] : [];
  app.count(bucket, { objects: live(next) - live(newest) });
  if (next) {
    app.rows.set(keys.object(bucket, key), next.withOlder(more !== undefined));
    app.rows.set(keys.history(guk, next.sequence), undefined);
    if (next.isNull) app.rows.set(keys.nullVersion(guk), undefined);
  } else {
    app.rows.set(keys.object(bucket, key), undefined);
    app.rows.set(keys.guk(guk), undefined);
  }
}

/** Names, uses, counts and the generation follow from the rows of identities. */
function index(app: Application, before: IdentityRecord | undefined, next: IdentityRecord | undefined): void {
  const { rows } = app;
  const about = (next ?? before) as IdentityRecord;
  const kind = identityKinds.indexOf(about.kind);
  const identities = new IdentityView(rows);
  if (before) {
    rows.set(keys.identityName(before.account, kind, before.name), undefined);
    for (const [use, target] of usesOf(before))
      rows.set(keys.identityUse(before.account, target, identityUses.indexOf(use), before.id), undefined);
  }
  if (next) {
    rows.set(keys.identityName(next.account, kind, next.name), Buffer.from(next.id));
    for (const [use, target] of usesOf(next))
      rows.set(keys.identityUse(next.account, target, identityUses.indexOf(use), next.id), Buffer.from([1]));
  }
  const held = identities.count(about.account, about.kind) + Number(next !== undefined) - Number(before !== undefined);
  fits(held >= 0, 'counts of identities stay above zero');
  rows.set(keys.identityCount(about.account, kind), held === 0 ? undefined : encodeNumber(held));
  renew(app);
}

/** What was made of accounts and identities before this entry is out of date. */
function renew(app: Application): void {
  app.rows.set(keys.identityGeneration(), encodeNumber(new IdentityView(app.rows).generation() + 1));
}

type Handlers = { readonly [Type in EffectType]: (app: Application, effect: Extract<Effect, { type: Type }>) => void };

const handlers: Handlers = {
  'bucket.write'(app, { bucket }) {
    if (put(app, keys.bucket(bucket.name), encodeBucket(bucket))) {
      app.rows.set(keys.bucketId(bucket.id), Buffer.from(bucket.name));
      count(app, 'buckets', 1);
      raise(app, 'bucketId', bucket.id + 1);
    }
  },
  'bucket.remove'(app, { id, name }) {
    remove(app, keys.bucket(name), 'a bucket');
    remove(app, keys.bucketId(id), 'the id of a bucket');
    app.rows.set(keys.bucketCounts(id), undefined);
    app.rows.set(keys.bucketShards(id), undefined);
    forgetQuota(app, { kind: 'bucket', bucket: id });
    forgetDocuments(app, id);
    count(app, 'buckets', -1);
  },
  ...documentHandlers,
  'bucket.shards'(app, { place }) {
    app.rows.set(keys.bucketShards(place.id), encodeBucketShards(place));
  },
  'bucket.forget'(app, { id }) {
    app.rows.set(keys.bucketShards(id), undefined);
    app.rows.set(keys.renamedInto(id), undefined);
  },
  'account.write'(app, { account }) {
    app.rows.set(keys.account(account.id), encodeAccount(account));
    renew(app);
  },
  'account.remove'(app, { id }) {
    remove(app, keys.account(id), 'an account');
    forgetQuota(app, { kind: 'tenant', account: id });
    renew(app);
  },
  'identity.write'(app, { identity }) {
    const before = new IdentityView(app.rows).identity(identity.id);
    fits(
      !before || (before.kind === identity.kind && before.account === identity.account),
      'an identity stays what it is',
    );
    index(app, before, identity);
    app.rows.set(keys.identity(identity.id), encodeIdentity(identity));
  },
  'identity.remove'(app, { id }) {
    const before = new IdentityView(app.rows).identity(id);
    fits(before, 'an identity that is removed exists');
    index(app, before, undefined);
    app.rows.set(keys.identity(id), undefined);
    forgetQuota(app, { kind: 'user', user: id });
  },
  'lock.clock': (app, { ms }) => raise(app, 'lockClock', ms),
  'restore.due'(app, { dueMs, sequence, place }) {
    app.rows.set(keys.restore(dueMs, sequence), place && encodePlace(place.bucket, place.key));
  },
  'key.write'(app, { key }) {
    if (put(app, keys.accessKey(key.id), encodeAccessKey(key))) count(app, 'accessKeys', 1);
  },
  'key.remove'(app, { id }) {
    remove(app, keys.accessKey(id), 'an access key');
    count(app, 'accessKeys', -1);
  },
  'version.insert': insert,
  'version.remove': removeVersion,
  'version.update'(app, { bucket, key, row }) {
    const next = new VersionRow(row);
    const newest = app.view.newest(bucket, key);
    fits(newest, 'the object of a version that changes exists');
    const isNewest = newest.sequence === next.sequence;
    fits(isNewest || app.view.older(newest.guk, next.sequence), 'a version that changes exists');
    app.rows.set(isNewest ? keys.object(bucket, key) : keys.history(newest.guk, next.sequence), row);
  },
  'piece.write'(app, { manifest, index, bucket, key, publish, row }) {
    const piece = decodePieceRow(row);
    fits(piece.kind === 'piece', 'a piece is written as one');
    if (publish) app.publish(piece.piece, manifest, bucket, key);
    app.rows.set(keys.piece(manifest, index), row);
  },
  'piece.link'(app, { manifest, base, pieces }) {
    app.hold(base, pieces, pieces);
    app.rows.set(keys.piece(manifest, 0), encodePieceRow({ kind: 'link', manifest: base, pieces }));
  },
  'piece.swap'(app, { manifest, index, bucket, key, row }) {
    const at = keys.piece(manifest, index);
    const before = app.rows.get(at);
    fits(before, 'a piece that is kept in another way exists');
    const [old, next] = [decodePieceRow(before), decodePieceRow(row)];
    fits(old.kind === 'piece' && next.kind === 'piece', 'only pieces are kept in another way');
    app.swap(old.piece, next.piece, manifest, { bucket, key }, old.modifiedMs);
    app.rows.set(at, row);
  },
  'version.swap'(app, { bucket, key, row }) {
    const next = new VersionRow(row);
    const newest = app.view.newest(bucket, key);
    const isNewest = newest?.sequence === next.sequence;
    const before = (isNewest ? newest : newest && app.view.older(newest.guk, next.sequence))?.record();
    const after = next.record();
    fits(before?.kind === 'object' && after.kind === 'object', 'a version that is kept in another way exists');
    const [old, fresh] = [before.manifest, after.manifest];
    fits(old.embedded && fresh.embedded, 'it has its piece in its row');
    if (fresh.id.equals(old.id)) {
      app.swap(old.embedded, fresh.embedded, fresh.id, { bucket, key }, before.modifiedMs);
      // Left by an append that has gone again; another append may lean on it.
      const left = app.rows.get(keys.piece(fresh.id, 0));
      const held = left && decodePieceRow(left);
      if (held?.kind === 'piece')
        app.rows.set(keys.piece(fresh.id, 0), encodePieceRow({ ...held, piece: fresh.embedded }));
    } else {
      fits(app.view.isShared(old.id), 'a version lets go of a manifest that others hold');
      app.release(before);
      app.publish(fresh.embedded, fresh.id, bucket, key);
      raise(app, 'sequence', sequenceOf(fresh.id) + 1);
      app.tally('recodedAt', app.position);
    }
    app.rows.set(isNewest ? keys.object(bucket, key) : keys.history(before.guk, next.sequence), row);
  },
  'upload.create'(app, { upload }) {
    app.rows.set(keys.upload(upload.bucket, upload.key, upload.id), encodeUpload(upload));
    app.count(upload.bucket, { uploads: 1 });
    raise(app, 'sequence', sequenceOf(upload.id) + 1);
  },
  'manifest.hold': (app, { manifest, held, pieces }) => app.hold(manifest, held, pieces),
  'upload.part'(app, { bucket, key, upload, index, row }) {
    const piece = decodePieceRow(row);
    fits(piece.kind === 'piece', 'a part is a piece');
    const at = keys.piece(upload, index);
    const old = app.rows.get(at);
    meterPart(app, bucket, upload, piece.piece, old);
    if (old) app.displace(old);
    app.publish(piece.piece, upload, bucket, key);
    app.rows.set(at, row);
  },
  'upload.complete'(app, { bucket, key, upload, drops, moves, embedded }) {
    remove(app, keys.upload(bucket, key, upload), 'an upload');
    app.count(bucket, { uploads: -1, partBytes: -takePartBytes(app, upload) });
    const take = (index: number): Buffer => {
      const row = app.rows.get(keys.piece(upload, index));
      fits(row, 'a part of a completed upload exists');
      app.rows.set(keys.piece(upload, index), undefined);
      return row;
    };
    for (const index of drops) app.displace(take(index));
    for (const [from, to] of moves) app.rows.set(keys.piece(upload, to), take(from));
    if (embedded) take(0);
  },
  'upload.abort'(app, { bucket, key, upload }) {
    remove(app, keys.upload(bucket, key, upload), 'an upload');
    app.count(bucket, { uploads: -1, partBytes: -takePartBytes(app, upload) });
    const [part] = app.view.pieces(upload, 0, ANY_PART, 1);
    if (part) app.discard(upload, part.index, ANY_PART);
  },
  'intent.write'(app, { intent }) {
    if (put(app, keys.intent(intent.prefix), encodeIntent(intent))) count(app, 'intents', 1);
  },
  'intent.remove'(app, { prefix }) {
    remove(app, keys.intent(prefix), 'an intent');
    count(app, 'intents', -1);
  },
  'garbage.remove'(app, { position, ordinal, end }) {
    app.collected(position, ordinal, end);
  },
  'group.write'(app, { group }) {
    app.rows.set(keys.group(group.id), encodeGroup(group));
  },
  'node.write'(app, { node }) {
    if (put(app, keys.node(node.id), encodeNode(node))) count(app, 'nodes', 1);
  },
  'node.remove'(app, { id }) {
    remove(app, keys.node(id), 'a node');
    count(app, 'nodes', -1);
  },
  'device.write'(app, { device }) {
    if (put(app, keys.device(device.identity), encodeDevice(device))) count(app, 'devices', 1);
  },
  'device.remove'(app, { identity }) {
    remove(app, keys.device(identity), 'a device');
    count(app, 'devices', -1);
  },
  'feature.enable'(app, { feature }) {
    fits(put(app, keys.feature(feature), encodeNumber(app.position)), 'a feature is turned on once');
  },
  'setting.write'(app, { name, value }) {
    app.rows.set(keys.setting(name), encodeSetting(value));
  },
  'invitation.write'(app, { invitation }) {
    app.rows.set(keys.invitation(invitation.id), encodeInvitation(invitation));
  },
  'invitation.remove'(app, { id }) {
    remove(app, keys.invitation(id), 'an invitation');
  },
  'kmsKey.write'(app, { key }) {
    app.rows.set(keys.kmsKey(key.id), encodeKmsKey(key));
    app.rows.set(keys.kmsKeyName(key.name), Buffer.from(key.id));
  },
  ...renameHandlers,
  'memo.write': (app, { kind, name, value }) => app.rows.set(keys.memo(memoKinds[kind], name), value),
  'memo.remove': (app, { kind, name }) => remove(app, keys.memo(memoKinds[kind], name), 'a memo'),
  'target.write': (app, { name, record }) => app.rows.set(keys.target(name), record),
  'target.remove': (app, { name }) => remove(app, keys.target(name), 'a target of notifications'),
  'follower.write': (app, { name, position }) => app.rows.set(keys.follower(name), encodeNumber(position)),
  'follower.remove': (app, { name }) => remove(app, keys.follower(name), 'a follower'),
  'rates.write': (app, { rates }) => app.rows.set(keys.rates(rates.subject), encodeRateLimits(rates)),
  'rates.remove': (app, { subject }) => remove(app, keys.rates(subject), 'a limit of rates'),
  notice() {},
  ...quotaHandlers,
  'authority.write'(app, { authority }) {
    app.rows.set(keys.authority(), encodeAuthorityRecord(authority));
  },
  'request.done'(app, { request, outcome, below }) {
    const number = app.view.counter('requests');
    fits(below <= number, 'only requests that were answered are forgotten');
    const oldest = app.view.counter('oldestRequest');
    for (let old = oldest; old < below; old++) app.rows.set(keys.request(old), undefined);
    app.rows.add(keys.request(number), encodeRequest({ request, outcome }));
    app.tally('requests', number + 1);
    if (below > oldest) app.tally('oldestRequest', below);
  },
  digest() {},
};

/** Above the index of every part: a part of the format, whatever the limit of today is. */
const ANY_PART = 0x1_0000;

/**
 * Applies effects of one entry to `rows`, in order. Call it once for an entry, or once for each command of it with the same application.
 * @throws CorruptionError when the effects do not belong to this state; the rows are then half changed and must be thrown away
 */
export function apply(application: Application, effects: readonly Effect[]): void {
  for (const effect of effects) {
    const handler = handlers[effect.type] as (app: Application, effect: Effect) => void;
    try {
      handler(application, effect);
    } catch (error) {
      // A number that its row or key has no room for: nobody decided it.
      if (!(error instanceof RangeError)) throw error;
      throw new CorruptionError('log entry does not fit the state: a number in it is too large', { cause: error });
    }
  }
}
