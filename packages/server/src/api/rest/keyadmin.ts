import type { AccessKeyRecord, KeyUse } from '../../metadata/index.ts';

/** Access keys as the native API manages them. */
export interface KeyAdmin {
  list(): readonly AccessKeyRecord[];
  /** When a key was used last, as far as that is written. */
  use(id: string): KeyUse | undefined;
  /** Seals the secret and stores the key; `accessKeyId` and `secretAccessKey` are made when not given. */
  create(request: {
    readonly name: string;
    readonly role: 'readwrite' | 'readonly';
    readonly buckets: readonly string[];
    readonly accessKeyId?: string | undefined;
    readonly secretAccessKey?: string | undefined;
  }): Promise<{ readonly record: AccessKeyRecord; readonly secretAccessKey: string }>;
  /** @throws StoreError NotFound; InvalidRequest for the root key */
  revoke(id: string): Promise<void>;
}
