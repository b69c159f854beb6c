import { redundancyText, spareCount } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, ObjectVersion, Policy, Redundancy } from '../metadata/index.ts';
import { propose, type Rooms } from './rooms.ts';
import { mapSetting } from './setting.ts';

/*
 * What bytes are to be kept with: what an object says of itself, else its storage class, else its bucket. STANDARD says nothing, so the bucket decides;
 * where the bucket says nothing either, new bytes get what the layout usually gives, and what is there stays as it is.
 */

/** Name of the setting with an operator's own policies: JSON, storage class → policy. */
export const policiesSetting = 'policies';
/** Name of the setting that says that versions may be kept in another way than they are to be: set once, by who makes the first of them. */
export const recodeSetting = 'recode';

const builtIn = ['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY'] as const;

/** Codes for bytes that are seldom read, the widest first. */
const coldCodes: readonly Redundancy[] = [
  { data: 8, parity: 3 },
  { data: 6, parity: 3 },
  { data: 4, parity: 2 },
  { data: 3, parity: 2 },
  { data: 2, parity: 2 },
  { data: 2, parity: 1 },
];

/** The operator's own policies by storage class. */
export const namedPolicies = mapSetting<Policy>(policiesSetting);

/** Storage classes that can be asked for. */
export const storageClassesOf = ({ reader }: Pick<Rooms, 'reader'>): readonly string[] => [
  ...new Set([...builtIn, ...namedPolicies(reader).keys()]),
];

/** @throws StoreError InvalidStorageClass */
export function checkStorageClass(rooms: Pick<Rooms, 'reader'>, name: string): void {
  if (name === 'STANDARD' || storageClassesOf(rooms).includes(name)) return;
  throw new StoreError('InvalidStorageClass', {
    message: `There is no storage class ${name.slice(0, 64)} here. Choose one of ${storageClassesOf(rooms).join(', ')}.`,
    detail: { StorageClass: name },
  });
}

/**
 * What a storage class stands for; undefined: what the bucket says. STANDARD_IA is the widest code that the layout carries and that survives as many
 * losses as its usual copies do; where there is none it is as STANDARD. REDUCED_REDUNDANCY is two copies, or one where there is one device.
 */
function classPolicy({ reader, stripes }: Pick<Rooms, 'reader' | 'stripes'>, name: string): Policy | undefined {
  if (name === 'STANDARD') return undefined;
  const own = namedPolicies(reader).get(name);
  if (own) return own;
  const usual = stripes.usual();
  if (name === 'REDUCED_REDUNDANCY') return { copies: Math.min(2, usual) };
  if (name !== 'STANDARD_IA') return undefined;
  return coldCodes.find((code) => spareCount(code) >= usual - 1 && stripes.carries(code));
}

export interface Kept {
  readonly policy: Policy | undefined;
  /** The bytes of small objects may lie in metadata all the same: nobody asked for a number of fragments. */
  readonly mayInline: boolean;
}

/** What a version is to be kept with. */
export function keptWith(
  rooms: Pick<Rooms, 'reader' | 'stripes'>,
  bucket: Pick<BucketRecord, 'redundancy'>,
  { policy, storageClass }: Pick<ObjectVersion, 'policy' | 'storageClass'>,
): Kept {
  if (policy) return { policy, mayInline: false };
  const ofClass = classPolicy(rooms, storageClass);
  return ofClass ? { policy: ofClass, mayInline: true } : { policy: bucket.redundancy, mayInline: false };
}

/** What new bytes under a policy are written with. */
export const writtenWith = (policy: Policy | undefined): Redundancy | undefined =>
  policy && 'hot' in policy ? policy.hot : policy;

const partsOf = (policy: Policy): readonly Redundancy[] => ('hot' in policy ? [policy.hot, policy.cold] : [policy]);

/** `copies=2`, `8+3`, or `copies=2/8+3/86400000` with the idle time in ms. */
const policyText = (policy: Policy): string =>
  'hot' in policy
    ? `${redundancyText(policy.hot)}/${redundancyText(policy.cold)}/${policy.afterIdleMs}`
    : redundancyText(policy);

export const isSamePolicy = (a: Policy | undefined, b: Policy | undefined): boolean =>
  a === undefined || b === undefined ? a === b : policyText(a) === policyText(b);

/**
 * Has the placement groups for a policy defined.
 * @throws StoreError UnsupportedRedundancy, saying what would be needed; InvalidArgument for an idle time out of bounds
 */
export async function preparePolicy({ stripes }: Pick<Rooms, 'stripes'>, policy: Policy): Promise<void> {
  if ('hot' in policy && !(policy.afterIdleMs >= limits.idleLeastMs && policy.afterIdleMs <= limits.idleMostMs))
    throw new StoreError('InvalidArgument', {
      message: 'The idle time of a hybrid redundancy is between one second and ten years, for example 7d.',
    });
  for (const redundancy of partsOf(policy)) await stripes.prepare(redundancy);
}

/** Has what is there looked at from now on: a version is to be kept in another way than it is, or will be. */
export async function askForRecoding(rooms: Pick<Rooms, 'reader' | 'proposer'>): Promise<void> {
  if (rooms.reader.setting(recodeSetting) !== undefined) return;
  try {
    await propose(rooms, { type: 'setting.write', name: recodeSetting, value: 'wanted' }, 'done');
  } catch (error) {
    // Nodes of a version that knows no settings keep nothing in another way either: the bytes stay as they are, and the write goes on.
    if (!(error instanceof StoreError && error.code === 'NotImplemented')) throw error;
  }
}
