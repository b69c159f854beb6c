import type { KeyService } from './types.ts';

/** What is sealed of a target of notifications belongs to its name. */
export const targetContext = (name: string): Buffer => Buffer.from(`dsom notification target 1\0${name}`, 'utf8');

/** Seals what only a target of notifications may see: addresses with passwords, headers. */
export const sealTarget = (service: KeyService, name: string, secret: string): Promise<Buffer> =>
  service.wrap(Buffer.from(secret, 'utf8'), targetContext(name));

/** @throws StoreError AccessDenied when it was changed, moved to another target, or sealed under an unknown master key */
export async function openTarget(service: KeyService, name: string, sealed: Buffer): Promise<string> {
  const plain = await service.unwrap(sealed, targetContext(name));
  const secret = plain.toString('utf8');
  plain.fill(0);
  return secret;
}

/** The secret of a bucket's source belongs to the bucket and to where it is sent: with another address it does not open. */
export const sourceContext = (bucket: string, endpoint: string): Buffer =>
  Buffer.from(`dsom bucket source 1\0${bucket}\0${endpoint}`, 'utf8');

/** Seals the secret access key with which the source of a bucket is read. */
export const sealSource = (
  service: KeyService,
  bucket: string,
  endpoint: string,
  secretAccessKey: string,
): Promise<Buffer> => service.wrap(Buffer.from(secretAccessKey, 'utf8'), sourceContext(bucket, endpoint));

/** @throws StoreError AccessDenied when it was changed, moved to another bucket or address, or sealed under an unknown master key */
export async function openSource(
  service: KeyService,
  bucket: string,
  endpoint: string,
  sealed: Buffer,
): Promise<string> {
  const plain = await service.unwrap(sealed, sourceContext(bucket, endpoint));
  const secret = plain.toString('utf8');
  plain.fill(0);
  return secret;
}

/** What the secret of an access key is sealed with besides. */
export function secretContext(accessKeyId: string): Buffer {
  return Buffer.from(`dsom access key secret 1\0${accessKeyId}`, 'utf8');
}

/** Seals the secret of an access key, bound to the id of that key: a sealed secret moved to another key does not open. */
export function sealSecret(service: KeyService, accessKeyId: string, secret: string): Promise<Buffer> {
  return service.wrap(Buffer.from(secret, 'utf8'), secretContext(accessKeyId));
}

/** @throws StoreError AccessDenied when it was changed, moved to another key, or sealed under an unknown master key */
export async function openSecret(service: KeyService, accessKeyId: string, sealed: Buffer): Promise<string> {
  const plain = await service.unwrap(sealed, secretContext(accessKeyId));
  const secret = plain.toString('utf8');
  plain.fill(0);
  return secret;
}
