import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { decideAnnotate, decideLock, decideRewrap } from './decide-annotate.ts';
import {
  adoptBucket,
  createBucket,
  deleteBucket,
  keepBucket,
  reshardBucket,
  sealBucket,
  updateBucket,
} from './decide-buckets.ts';
import { decideDevice, decideFeature, decideForget, decideNode, decideSetting } from './decide-cluster.ts';
import { configureBucket } from './decide-configurations.ts';
import { decideDelete } from './decide-deletes.ts';
import {
  decideCommit,
  decideHold,
  decidePrepare,
  decideRelease,
  decideRenameAbort,
  decideRenameForget,
  decideUnhold,
  sayingOf,
} from './decide-holds.ts';
import {
  createAccount,
  removeAccount,
  removeIdentity,
  updateKey,
  withKey,
  withoutKey,
  writeIdentity,
} from './decide-identities.ts';
import { decideAuthority, decideInvitation, decideInvitationGone } from './decide-members.ts';
import { decideAppend, decidePut, decideShare } from './decide-objects.ts';
import { withinQuotas, writeQuota } from './decide-quotas.ts';
import { decideRecode, decideTouch } from './decide-recode.ts';
import { decideRename } from './decide-rename.ts';
import { decideReplicated, noted } from './decide-replicated.ts';
import { decideAdvance, decideRestore } from './decide-restore.ts';
import { decideCollected, decideExpire, decideGroups, decideIntent } from './decide-upkeep.ts';
import { decideAbort, decideComplete, decidePart, decideUploadCreate } from './decide-uploads.ts';
import type { Decision, Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { type Feature, featuresOf, unknownFeature } from './features.ts';
import { decideKmsKey, decideKmsKeyChange } from './kms-keys.ts';
import { checkNothingLocked, timed } from './locks.ts';
import { checkSealedAnew, decideMasterKey, decideReseal } from './master-key.ts';
import { decideEventFail, decideEventSettle, decideKeyUsed, withoutUse } from './memos.ts';
import { announced, decideFollower, decideFollowerGone, decideTarget, decideTargetGone } from './notices.ts';
import { checkHere } from './places.ts';
import { decideRates, decideRatesGone, withoutRates } from './rates.ts';
import { checkNotHeld } from './renames.ts';
import { decideSource } from './sources.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const ACCESS_KEY_ID_BYTES = 128;

function createKey(view: View, command: Of<'key.create'>, stamp: Stamp): Decision {
  const { id } = command.record;
  const bytes = Buffer.byteLength(id);
  if (bytes === 0 || bytes > ACCESS_KEY_ID_BYTES) {
    throw new StoreError('InvalidArgument', { message: `An access key id has 1 to ${ACCESS_KEY_ID_BYTES} bytes.` });
  }
  if (view.accessKey(id)) throw new StoreError('InvalidArgument', { message: 'The access key id is taken.' });
  if (view.counter('accessKeys') >= limits.accessKeys) {
    throw new StoreError(command.record.account === undefined ? 'InvalidRequest' : 'LimitExceeded', {
      message: `There are ${limits.accessKeys} access keys, which is the most: delete some that nobody uses.`,
    });
  }
  const key = { ...command.record, createdMs: stamp.now };
  return { effects: [...withKey(view, key), { type: 'key.write', key }], reply: { type: 'done' } };
}

function revokeKey(view: View, { id }: Of<'key.revoke'>): Decision {
  const key = view.accessKey(id);
  if (!key) throw new StoreError('NotFound', { resource: id });
  const effects = [...withoutKey(view, key), ...withoutUse(view, id), ...withoutRates(view, `key/${id}`)];
  return { effects: [...effects, { type: 'key.remove', id }], reply: { type: 'done' } };
}

type Deciders = {
  readonly [Type in Command['type']]: (view: View, command: Of<Type>, stamp: Stamp) => Decision;
};

const deciders: Deciders = {
  'bucket.create': createBucket,
  'bucket.delete': deleteBucket,
  'bucket.update': updateBucket,
  'bucket.configure': configureBucket,
  'bucket.reshard': reshardBucket,
  'bucket.source': decideSource,
  'bucket.keep': keepBucket,
  'bucket.adopt': adoptBucket,
  'bucket.seal': sealBucket,
  'account.create': createAccount,
  'account.remove': removeAccount,
  'identity.write': writeIdentity,
  'identity.remove': removeIdentity,
  'key.update': updateKey,
  'key.create': createKey,
  'key.revoke': revokeKey,
  'object.put': decidePut,
  'object.share': decideShare,
  'object.append': decideAppend,
  'object.rename': decideRename,
  'rename.prepare': decidePrepare,
  'rename.hold': decideHold,
  'rename.commit': decideCommit,
  'rename.release': decideRelease,
  'rename.unhold': decideUnhold,
  'rename.abort': decideRenameAbort,
  'rename.forget': decideRenameForget,
  'object.delete': decideDelete,
  'object.annotate': decideAnnotate,
  'object.lock': decideLock,
  'object.replicated': decideReplicated,
  'object.rewrap': decideRewrap,
  'object.restore': decideRestore,
  'restore.advance': decideAdvance,
  'object.recode': decideRecode,
  'object.touch': decideTouch,
  'upload.create': decideUploadCreate,
  'upload.part': decidePart,
  'upload.complete': decideComplete,
  'upload.abort': decideAbort,
  'intent.open': decideIntent,
  'intent.close': decideIntent,
  'intent.collected': decideIntent,
  'intent.expire': decideExpire,
  'garbage.collected': decideCollected,
  'group.define': decideGroups,
  'node.write': decideNode,
  'node.remove': decideForget,
  'device.write': decideDevice,
  'feature.enable': decideFeature,
  'setting.write': decideSetting,
  'invitation.write': decideInvitation,
  'invitation.remove': decideInvitationGone,
  'authority.write': decideAuthority,
  'event.fail': decideEventFail,
  'event.settle': decideEventSettle,
  'key.used': decideKeyUsed,
  'kmsKey.create': decideKmsKey,
  'kmsKey.change': decideKmsKeyChange,
  'masterKey.write': decideMasterKey,
  'masterKey.reseal': decideReseal,
  'rates.write': decideRates,
  'rates.remove': decideRatesGone,
  'target.write': decideTarget,
  'target.remove': decideTargetGone,
  'follower.advance': decideFollower,
  'follower.remove': decideFollowerGone,
  'quota.write': writeQuota,
  digest: (_view, _command, { digest }) => ({ effects: [{ type: 'digest', digest }], reply: { type: 'done' } }),
};

/**
 * Effects that only newer versions know wait until all nodes do. Where there is one process only, they are turned on as they are needed.
 * @throws StoreError NotImplemented in a cluster that has not turned the feature on
 */
function permitted(view: View, command: Command, decision: Decision, stamp: Stamp): Decision {
  const { effects } = decision;
  let needed: Set<Feature> | undefined;
  for (const effect of effects) for (const feature of featuresOf(effect)) (needed ??= new Set()).add(feature);
  // Most entries hold nothing that is new.
  if (!needed) return decision;
  const lacking = new Set<Feature>();
  for (const feature of needed) {
    if (view.has(feature)) continue;
    // What an object shard takes over of a bucket is so already in the system shard, where this was turned on.
    const isOfBuckets = command.type === 'bucket.adopt' || feature === 'objectShards' || feature === 'reshard';
    const known = stamp.shard > 0 && isOfBuckets;
    if (!stamp.alone && !known) throw unknownFeature(feature);
    lacking.add(feature);
  }
  if (lacking.size === 0) return decision;
  const enabled = Array.from(lacking, (feature): Effect => ({ type: 'feature.enable', feature }));
  return { ...decision, effects: [...enabled, ...effects] };
}

/** Commands about one key that a shard answers only where the key is, or would be made. Those about an upload name it, and it is where it was begun. */
const keyed: ReadonlySet<Command['type']> = new Set([
  'object.put',
  'object.share',
  'object.append',
  'object.rename',
  'object.annotate',
  'object.lock',
  'object.replicated',
  'object.rewrap',
  'object.restore',
  'object.recode',
  'rename.prepare',
  'rename.hold',
  'rename.commit',
  'upload.create',
] satisfies Command['type'][]);

/**
 * Answers a command against a state: what shall be logged, and what the proposer gets once it is. Changes nothing.
 * @throws StoreError when the command is refused
 */
export function decide(view: View, command: Command, stamp: Stamp): Decision {
  const decider = deciders[command.type] as ((view: View, command: Command, stamp: Stamp) => Decision) | undefined;
  // A newer node may ask for what this one has never heard of.
  if (!decider)
    throw new StoreError('NotImplemented', {
      message: `The node that leads does not know the change ${String(command.type)}: start the version of this node on it.`,
    });
  if (keyed.has(command.type) && 'key' in command && 'bucket' in command)
    checkHere(view, command.bucket, command.key as Buffer, stamp.shard);
  const decided = decider(view, command, stamp);
  checkNotHeld(view, command, decided.effects);
  checkSealedAnew(view, decided.effects);
  checkNothingLocked(view, decided.effects, stamp, command.type === 'object.delete' && command.bypasses === true);
  const decision = withinQuotas(view, command, decided, stamp);
  const said = sayingOf(view, command);
  const { effects, reply } = announced(view, said, noted(view, said, decision, stamp), stamp);
  return permitted(view, command, { effects: timed(view, effects, stamp), reply }, stamp);
}
