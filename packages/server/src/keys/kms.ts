import { StoreError } from '../errors.ts';
import type { Entropy } from '../host/index.ts';
import { limits } from '../limits.ts';
import { KeptKeys } from './kept.ts';
import type { KeyService, KmsKeys, OpenKmsKey } from './types.ts';

/** What a version of a named key is sealed with besides. @param version from 1 */
export const kmsContext = (id: string, version: number): Buffer =>
  Buffer.from(`dsom kms key 1\0${id}\0${version}`, 'utf8');

/** Named keys wrapped by `service`, the opened ones kept in memory up to `limits.openKmsKeys`. */
export function kmsKeys(service: KeyService, entropy: Entropy): KmsKeys {
  const kept = new KeptKeys<OpenKmsKey>({ service, entropy, most: limits.openKmsKeys });
  const nameOf = (id: string, version: number): string => `${id} ${version}`;
  return {
    create: (id, version) => kept.create(kmsContext(id, version)),
    opened: (id, version, wrapped) => kept.opened(nameOf(id, version), wrapped),
    open: (id, version, wrapped) =>
      kept.open(
        nameOf(id, version),
        wrapped,
        kmsContext(id, version),
        (key) => ({ id, version, key }),
        () => new StoreError('AccessDenied', { message: `Version ${version} of the key ${id} cannot be opened.` }),
      ),
  };
}
