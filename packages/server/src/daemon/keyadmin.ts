import type { KeyAdmin } from '../api/index.ts';
import { StoreError } from '../errors.ts';
import type { Entropy } from '../host/index.ts';
import { type KeyService, sealSecret } from '../keys/index.ts';
import { firstAccount, type MetadataReader, type Proposer } from '../metadata/index.ts';
import { newKeyPair } from './rootkey.ts';

/**
 * Access keys, kept in the metadata with their secrets sealed under the master key.
 * @param givenRoot id of the root key that this start was given: only then may the one that is kept go, or nobody could administer the server
 */
export function createKeyAdmin(
  reader: MetadataReader,
  proposer: Proposer,
  service: KeyService,
  entropy: Entropy,
  givenRoot: string | undefined,
): KeyAdmin {
  return {
    // Those of users are shown with their users.
    list: () => reader.accessKeys().filter((key) => key.user === undefined),
    use: (id) => reader.keyUse(id),
    async create({ name, role, buckets, accessKeyId, secretAccessKey }) {
      const made = newKeyPair(entropy);
      const id = accessKeyId ?? made.accessKeyId;
      const secret = secretAccessKey ?? made.secretAccessKey;
      if (reader.accessKey(id))
        throw new StoreError('InvalidRequest', {
          message: `The access key ${id} exists already: revoke it first, or choose another id.`,
        });
      // It is a user too, called as its id.
      if (reader.identities.named(firstAccount, 'user', id))
        throw new StoreError('InvalidRequest', {
          message: `There is a user ${id} in the first account: choose another id for the key.`,
        });
      await proposer.propose({
        type: 'key.create',
        record: { id, sealedSecret: await sealSecret(service, id, secret), owner: 'root', name, role, buckets },
      });
      const record = reader.accessKey(id);
      if (!record) throw new StoreError('InternalError', { message: 'The key was made and revoked at once.' });
      return { record, secretAccessKey: secret };
    },
    async revoke(id) {
      const record = reader.accessKey(id);
      if (!record) throw new StoreError('NotFound', { message: `There is no access key ${id}.` });
      if (record.role === 'root' && (givenRoot === undefined || givenRoot === id))
        throw new StoreError('InvalidRequest', {
          message:
            'The root key cannot be revoked while there is no other one. Start the server (each node) with another one in DSOM_ROOT_ACCESS_KEY_ID and DSOM_ROOT_SECRET_ACCESS_KEY, and revoke this one then.',
        });
      await proposer.propose({ type: 'key.revoke', id });
    },
  };
}
