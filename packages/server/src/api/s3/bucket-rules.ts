import {
  accountOf,
  CompiledPolicy,
  type Grant,
  grantsOf,
  isAccount,
  isPublic,
  isPublicAcl,
  type Policy,
  parsePolicy,
  type ResourceRules,
  unowned,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { ParsedConfigurations, ReadConfigurations } from './configurations/form.ts';
import {
  type ObjectOwnership,
  ownershipForm,
  type PublicAccessBlock,
  publicAccessBlockForm,
} from './configurations/simple.ts';

/*
 * What a bucket says about who may use it and what is in it. Whatever of that cannot be read denies: a policy of which nothing is known may hold
 * a Deny for anybody.
 */

/** The bucket of a name; undefined when there is none. */
export function bucketNamed(objects: ObjectService, name: string): BucketRecord | undefined {
  try {
    return objects.bucket(name);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return undefined;
    throw error;
  }
}

/**
 * Compares a header that names the owner of a bucket: by the account, or by the name under which it is kept.
 * @throws StoreError InvalidBucketOwnerAWSAccountID where it is the name of no account; AccessDenied where it is another one's
 */
export function checkOwner({ owner }: BucketRecord, named: string): void {
  if (named === owner || named === accountOf(owner)) return;
  if (isAccount(named)) throw new StoreError('AccessDenied');
  throw new StoreError('InvalidBucketOwnerAWSAccountID', {
    message: `The value of the expected bucket owner parameter must be an AWS account ID: send the 12 digits of the account that owns the bucket, or leave the header out. [${named.slice(0, 64)}]`,
  });
}

export interface BucketPolicy {
  readonly compiled: CompiledPolicy;
  readonly public: boolean;
}

/** In place of what cannot be read. The root of the account may still read, replace and remove it, as any policy. */
const unreadable: Policy = {
  kind: 'resource',
  version: '2012-10-17',
  id: undefined,
  statements: [
    {
      sid: undefined,
      effect: 'Deny',
      principals: { not: false, list: [{ type: 'AWS', value: '*' }] },
      actions: { not: false, list: ['*'] },
      resources: { not: false, list: ['*'] },
      conditions: [],
    },
  ],
};
const denial: BucketPolicy = { compiled: new CompiledPolicy(unreadable), public: true };

function read(bytes: Buffer): BucketPolicy {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // The bucket's name is not looked at again: a policy that was taken stays what it was.
    const policy = parsePolicy(text, { kind: 'resource' });
    return { compiled: new CompiledPolicy(policy), public: isPublic(policy) };
  } catch {
    return denial;
  }
}

const policies = new ReadConfigurations(read, limits.bucketPolicies);

/** The policy of a bucket that is there. */
export function policyOfBucket(objects: ObjectService, bucket: string): BucketPolicy | undefined {
  const bytes = objects.configuration(bucket, 'policy');
  return bytes && policies.of(bucket, bytes);
}

const everything: PublicAccessBlock = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
};
const nothing: PublicAccessBlock = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};
const blocks = new ParsedConfigurations(publicAccessBlockForm);

/** What keeps a bucket that is there from being public. */
export function publicAccessOf(objects: ObjectService, bucket: string): PublicAccessBlock {
  const bytes = objects.configuration(bucket, publicAccessBlockForm.kind);
  if (!bytes) return nothing;
  try {
    return blocks.of(bucket, bytes);
  } catch {
    return everything;
  }
}

const ownership = new ParsedConfigurations(ownershipForm);

/** Who owns what is in a bucket that is there. Where it cannot be read, the owner of the bucket does, and no list counts. */
export function ownershipOf(objects: ObjectService, bucket: string): ObjectOwnership {
  const bytes = objects.configuration(bucket, ownershipForm.kind);
  if (!bytes) return 'BucketOwnerEnforced';
  // Taken away (delete-bucket-ownership-controls.ts): as it was before S3 had them.
  if (bytes.length === 0) return 'ObjectWriter';
  try {
    return ownership.of(bucket, bytes);
  } catch {
    return 'BucketOwnerEnforced';
  }
}

/**
 * Under which name something that is written is owned.
 * @param writer under which his own is; undefined: nobody in particular
 */
export function ownerIn(objects: ObjectService, bucket: string, writer: string | undefined): string {
  const record = bucketNamed(objects, bucket);
  const isBuckets = record && (writer === undefined || ownershipOf(objects, bucket) === 'BucketOwnerEnforced');
  return isBuckets ? record.owner : (writer ?? '');
}

/** What a list grants in a bucket: nothing where it is public and such lists are ignored. */
export function countingGrants(objects: ObjectService, bucket: string, bytes: Buffer | undefined): readonly Grant[] {
  const grants = grantsOf(bytes);
  return isPublicAcl(grants) && publicAccessOf(objects, bucket).IgnorePublicAcls ? [] : grants;
}

/** What a bucket says to `authorize`. */
export function rulesOfBucket(objects: ObjectService, name: string): ResourceRules {
  const bucket = bucketNamed(objects, name);
  if (!bucket) return unowned;
  const policy = policyOfBucket(objects, name);
  return {
    account: accountOf(bucket.owner),
    policy: policy?.compiled,
    restricted: policy?.public && publicAccessOf(objects, name).RestrictPublicBuckets,
    acls: ownershipOf(objects, name) !== 'BucketOwnerEnforced',
  };
}
