import { StoreError } from '../errors.ts';
import { encodeLockConfiguration, type LockConfiguration } from './machine/locks.ts';
import type { GivenExtensions, ObjectVersion, Retention } from './machine/records.ts';
import { draftOf, inlinePiece, type Rig } from './rig.support.ts';
import type { LockChange } from './types.ts';

/* Short ways to lock. */

export const day = 86_400_000;
export const code =
  (expected: string, what = /./) =>
  (error: unknown) =>
    error instanceof StoreError && error.code === expected && what.test(error.message);
export const denied = code('AccessDenied', /locked|object lock/);

export async function lockingBucket(rig: Rig, configuration: LockConfiguration = {}): Promise<number> {
  const about = { name: 'bucket', owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') };
  const { bucket } = await rig.do({ type: 'bucket.create', ...about, locks: true }, 'bucket');
  if (configuration.byDefault) await configure(rig, configuration);
  return bucket.id;
}
export const configure = (rig: Rig, configuration: LockConfiguration) => {
  const document = encodeLockConfiguration(configuration);
  return rig.do({ type: 'bucket.configure', name: 'bucket', kind: 'objectLock', document }, 'done');
};
export const put = async (
  rig: Rig,
  bucket: number,
  key: string,
  given: GivenExtensions = {},
): Promise<ObjectVersion> => {
  const piece = inlinePiece(`bytes of ${key}`);
  return (await rig.put(bucket, key, piece, { draft: draftOf(piece.size, piece.md5, given) })).version;
};
export const remove = async (rig: Rig, bucket: number, key: string, version?: ObjectVersion, bypasses = false) => {
  const named = version && { sequence: version.sequence, nonce: version.nonce };
  const items = [{ key: Buffer.from(key), version: named, guard: undefined }];
  const reply = await rig.do({ type: 'object.delete', bucket, owner: 'o', items, bypasses }, 'deleted');
  return reply.results[0]!.error?.code;
};
export const lock = (
  rig: Rig,
  bucket: number,
  key: string,
  version: ObjectVersion,
  change: LockChange,
  bypasses = false,
) => {
  const { sequence, nonce } = version;
  const at = { bucket, key: Buffer.from(key), version: { sequence, nonce } };
  return rig.do({ type: 'object.lock', ...at, change, bypasses }, 'version');
};
export const at = (rig: Rig, bucket: number, key: string, version?: ObjectVersion) =>
  rig.reader.version(bucket, Buffer.from(key), version && { sequence: version.sequence, nonce: version.nonce });
export const retained = (mode: Retention['mode'], untilMs: number): GivenExtensions => ({
  retention: { mode, untilMs },
});
