import { accountOf, type ResourceRules, unowned } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';

/** The bucket of a name; undefined when there is none. */
export function bucketNamed(objects: ObjectService, name: string): BucketRecord | undefined {
  try {
    return objects.bucket(name);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return undefined;
    throw error;
  }
}

/** What a bucket says about who may use it and what is in it. */
export function rulesOfBucket(objects: ObjectService, name: string): ResourceRules {
  const bucket = bucketNamed(objects, name);
  return bucket ? { account: accountOf(bucket.owner), policy: undefined } : unowned;
}
