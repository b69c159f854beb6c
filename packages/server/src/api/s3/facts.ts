import { StoreError } from '../../errors.ts';
import { header, type S3Call } from './call.ts';
import { parseCopySource } from './copy-source.ts';
import { causesOf, type NamedObject, permissionsOf, type RequestFacts } from './permissions.ts';
import { renameSourceOf } from './rename-source.ts';

/** The object that a copy reads, or a rename takes away; undefined where the header names none, which the operation refuses. */
function sourceOf(call: S3Call): NamedObject | undefined {
  try {
    if (call.operation === 'RenameObject')
      return { bucket: call.bucket, key: renameSourceOf(call).toString('utf8'), versionId: undefined };
    const { bucket, key, versionId } = parseCopySource(header(call, 'x-amz-copy-source') ?? '');
    return { bucket, key: key.toString('utf8'), versionId };
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

const nothing: RequestFacts['causes'] = new Set();

/** What a request says about what it needs, but for what its document names. */
export function factsOf(call: S3Call): RequestFacts {
  const target = { bucket: call.bucket, key: call.key.toString('utf8'), versionId: call.query.get('versionId') };
  const { copies, caused } = permissionsOf(call.operation);
  return {
    target,
    // Without a source that can be read nothing is copied; who may not even write here is told so first.
    source: copies ? (sourceOf(call) ?? target) : undefined,
    each: [],
    causes: caused ? causesOf((name) => header(call, name), Object.keys(call.headers)) : nothing,
  };
}
