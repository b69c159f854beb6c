import { StoreError } from '../../errors.ts';
import { masterKeySetting } from '../master-key.ts';
import type { Effect, EffectType } from './effects.ts';
import { featuresOfExtensions } from './extensions.ts';
import { algorithmCode, isNewerChecksum } from './fields.ts';
import { checksumCodeOfRow } from './pieces.ts';
import type { ChecksumAlgorithm, Encryption, ObjectVersion } from './records.ts';
import { extensionsOfUpload } from './rows.ts';
import { decodeVersion, VersionRow } from './versions.ts';

/*
 * What entries may hold that not every version of a cluster knows. The first version that had clusters knows none of these names, and all that it
 * wrote needs none. Whatever came later has a name here, and is written only when that name is a row of table `features`: an entry turned it on,
 * once every node had said that it knows it. So a version that does not know it never meets it, and one that comes late is refused by name.
 */

/** In the order in which they came: a new one goes to the end, and none is ever taken away or changed. */
export const features = [
  'settings',
  'invitations',
  'authorities',
  'objectShards',
  'policies',
  'configurations',
  'reshard',
  'objectLock',
  'lifecycle',
  'notifications',
  'identities',
  'namedKeys',
  'acls',
  'kmsKeys',
  'quotas',
  'archive',
  'memos',
  'rates',
  'sources',
  'connectionLimits',
  'renames',
  'replication',
  'borrowedParts',
  'newerChecksums',
  'replicationStatus',
  'masterKeys',
] as const;

export type Feature = (typeof features)[number];

type Needed = Feature | ReadonlySet<Feature> | undefined;

/** What extensions need; which of the keys it is that wraps, only the row says. */
function needsOf(bits: number, encryption: () => Encryption | undefined): ReadonlySet<Feature> {
  const needed: ReadonlySet<Feature> = featuresOfExtensions(bits);
  return needed.has('namedKeys') && encryption()?.kind === 'kms' ? new Set([...needed, 'kmsKeys' as const]) : needed;
}

/** What the row of a version says may need several. */
function needsOfRow({ row }: { readonly row: Buffer }): Needed {
  const { extensions, checksumCode } = new VersionRow(row);
  const ofChecksum = needsOfChecksum(checksumCode);
  if (extensions === 0) return ofChecksum;
  return also(
    needsOf(extensions, () => (decodeVersion(row) as ObjectVersion).encryption),
    ofChecksum,
  );
}

/**
 * A version before this one takes such a code for damage. A version's own row may have a piece with another checksum than its own: from a part, or a
 * version in the same shard, whose row needed the feature already.
 */
const needsOfChecksum = (code: number): Feature | undefined => (isNewerChecksum(code) ? 'newerChecksums' : undefined);
const needsOfPiece = ({ row }: { readonly row: Buffer }): Feature | undefined =>
  needsOfChecksum(checksumCodeOfRow(row));

const also = (features: ReadonlySet<Feature>, more: Feature | undefined): ReadonlySet<Feature> =>
  more === undefined ? features : new Set([...features, more]);

/** What must be on before a command may name the algorithm; undefined: nothing. An owner that does not know it could not even refuse it. */
export const featureOfChecksum = (algorithm: ChecksumAlgorithm): Feature | undefined =>
  needsOfChecksum(algorithmCode(algorithm));

/** Name of the setting that says which storage classes are archives (objects/archive.ts). */
export const archivesSetting = 'archives';
const settingsOfArchives: ReadonlySet<Feature> = new Set(['settings', 'archive']);
/** A version before it would not take the key of the others, and would go on with its own. */
const settingsOfMasterKeys: ReadonlySet<Feature> = new Set(['settings', 'masterKeys']);
const ratesOfConnections: ReadonlySet<Feature> = new Set(['rates', 'connectionLimits']);

/** Which effects, or which of their values, need one. */
const needs: { readonly [Type in EffectType]?: (effect: Extract<Effect, { type: Type }>) => Needed } = {
  'setting.write': ({ name }) =>
    name === archivesSetting ? settingsOfArchives : name === masterKeySetting ? settingsOfMasterKeys : 'settings',
  'invitation.write': () => 'invitations',
  'invitation.remove': () => 'invitations',
  'authority.write': () => 'authorities',
  'bucket.shards': ({ place }) => (place.madeWith === undefined ? 'objectShards' : 'reshard'),
  'bucket.forget': () => 'objectShards',
  'lock.clock': () => 'objectLock',
  'kmsKey.write': () => 'kmsKeys',
  'restore.due': () => 'archive',
  'memo.write': () => 'memos',
  'memo.remove': () => 'memos',
  'target.write': () => 'notifications',
  'target.remove': () => 'notifications',
  'follower.write': () => 'notifications',
  'follower.remove': () => 'notifications',
  notice: () => 'notifications',
  'configuration.write': ({ kind }) =>
    kind === 'objectLock' || kind === 'replication' ? new Set(['configurations', kind]) : 'configurations',
  'configuration.remove': () => 'configurations',
  'source.write': () => 'sources',
  'source.remove': () => 'sources',
  'rename.write': () => 'renames',
  'rename.remove': () => 'renames',
  'hold.write': () => 'renames',
  'hold.remove': () => 'renames',
  'account.write': () => 'identities',
  'account.remove': () => 'identities',
  'identity.write': () => 'identities',
  'identity.remove': () => 'identities',
  'rates.write': ({ rates }) => (rates.connections === undefined ? 'rates' : ratesOfConnections),
  'rates.remove': () => 'rates',
  'key.write': ({ key }) => (key.account === undefined ? undefined : 'identities'),
  'quota.write': () => 'quotas',
  'usage.charge': () => 'quotas',
  'usage.begin': () => 'quotas',
  'manifest.hold': () => 'borrowedParts',
  'piece.write': needsOfPiece,
  'piece.swap': (effect) => also(alone.get('policies')!, needsOfPiece(effect)),
  'version.swap': (effect) => also(asSet(needsOfRow(effect)), 'policies'),
  'version.insert': needsOfRow,
  'version.update': needsOfRow,
  'bucket.write': ({ bucket }) => (bucket.redundancy && 'hot' in bucket.redundancy ? 'policies' : undefined),
  'upload.create': ({ upload }) => {
    const features = also(
      needsOf(extensionsOfUpload(upload), () => upload.encryption),
      needsOfChecksum(algorithmCode(upload.checksumAlgorithm)),
    );
    return upload.redundancy && 'hot' in upload.redundancy ? also(features, 'policies') : features;
  },
  'upload.part': needsOfPiece,
};

const nothing: ReadonlySet<Feature> = new Set();
const alone = new Map(features.map((feature) => [feature, new Set([feature])] as const));

const asSet = (needed: Needed): ReadonlySet<Feature> =>
  needed === undefined ? nothing : typeof needed === 'string' ? alone.get(needed)! : needed;

/** What must be turned on before the effect may be in an entry; none where every version knows it. */
export function featuresOf(effect: Effect): ReadonlySet<Feature> {
  const needed = (needs[effect.type] as ((effect: Effect) => Needed) | undefined)?.(effect);
  return asSet(needed);
}

/** Whether this program knows a feature that is turned on. */
export const isKnownFeature = (name: string): name is Feature => (features as readonly string[]).includes(name);

/** @param what needs it, with its verb */
export const unknownFeature = (feature: Feature, what = 'This needs'): StoreError =>
  new StoreError('NotImplemented', {
    message: `${what} the feature ${feature}, which not every node of the cluster knows yet: start this version on those that \`dsom cluster features\` names.`,
  });
