import type { OpensInline } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import { type ObjectService, versionIdText } from '../objects/index.ts';

/** Opens the bytes that lie within the rows of versions, for a cross-check: whether they open says whether they are those that were written. */
export function opensInline(objects: Pick<ObjectService, 'read'>): OpensInline {
  return async (bucket, key, version) => {
    try {
      const versionId = versionIdText(version);
      const reading = await objects.read({ bucket: bucket.name, key, versionId, guard: undefined });
      return reading.immediate({ start: 0, end: reading.version.size }) !== undefined;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // Any other refusal is about who asks, or about a version that is gone.
      return error.code === 'Damaged' ? false : undefined;
    }
  };
}
