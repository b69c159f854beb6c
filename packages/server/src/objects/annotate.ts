import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Guard, ObjectHeaders, ObjectVersion } from '../metadata/index.ts';
import { checkSource } from './conditions.ts';
import { checkMetadata, checkTags } from './describing.ts';
import { parseVersionId } from './ids.ts';
import { written } from './publish.ts';
import { draftFrom } from './put.ts';
import { findVersion } from './read.ts';
import { propose, type Rooms } from './rooms.ts';
import type { ObjectService, ReadRequest, Tags, WriteResult } from './types.ts';

type PatchRequest = Parameters<ObjectService['patch']>[0];

/** Times a patch starts over because another write came between its look and its write. */
const patience = 16;

/** `changes` over `metadata`; null takes a name away. */
function merged(metadata: Tags, changes: PatchRequest['metadata']): Tags {
  if (!changes) return metadata;
  const next = new Map(metadata);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return [...next];
}

/**
 * Changes what is said of an object, not its bytes. In a bucket that keeps versions the result is a new version that shares them; in one that
 * does not, or when a version is named, that version itself changes.
 *
 * A patch is read, change, write. The write is bound to the version that was read, so that no patch is lost to another; one that comes too
 * late starts over.
 */
export async function patch(rooms: Rooms, request: PatchRequest): Promise<WriteResult> {
  if (request.tags) checkTags(request.tags, limits.tags);
  for (let attempt = 1; ; attempt++) {
    const { bucket, version } = findVersion(rooms, request);
    checkSource(request.guard, version);
    const headers = request.headers ? { ...version.headers, ...request.headers } : version.headers;
    const metadata = merged(version.metadata, request.metadata);
    const tags = request.tags ?? version.tags;
    checkMetadata(metadata);
    const guard = { ifSequence: version.sequence };
    try {
      if (request.versionId !== undefined) return await change(rooms, request, { headers, metadata, tags }, undefined);
      const reply = await propose(
        rooms,
        {
          type: 'object.share',
          bucket: bucket.id,
          key: request.key,
          owner: request.owner,
          guard,
          draft: { ...draftFrom(version, version.wrappedKey), headers, metadata, tags },
          source: { bucket: bucket.id, key: request.key, version: undefined, manifest: version.manifest.id },
        },
        'version',
      );
      return written(bucket, reply);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'PreconditionFailed') throw error;
      if (attempt === patience) throw new StoreError('ConditionalRequestConflict', { cause: error });
    }
  }
}

/** Replaces the tags of one version where it is. */
export async function setTags(rooms: Rooms, request: ReadRequest, tags: Tags): Promise<ObjectVersion> {
  checkTags(tags, limits.tags);
  const { version } = await change(rooms, request, { tags }, request.guard);
  return version;
}

async function change(
  rooms: Rooms,
  request: ReadRequest,
  what: { readonly headers?: ObjectHeaders; readonly metadata?: Tags; readonly tags?: Tags },
  guard: Guard | undefined,
): Promise<WriteResult> {
  const { bucket } = findVersion(rooms, request);
  const version = parseVersionId(request.versionId);
  const reply = await propose(
    rooms,
    { type: 'object.annotate', bucket: bucket.id, key: request.key, version, guard, ...what },
    'version',
  );
  return written(bucket, reply);
}
