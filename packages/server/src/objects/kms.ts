import { CorruptionError, StoreError } from '../errors.ts';
import type { KmsKeys, OpenKmsKey } from '../keys/index.ts';
import { limits } from '../limits.ts';
import {
  type BucketRecord,
  type Encryption,
  firstAccount,
  type KmsEncryption,
  type KmsKeyRecord,
} from '../metadata/index.ts';
import { propose, type Rooms } from './rooms.ts';

/*
 * Named keys (SSE-KMS). A key has versions, each 32 random bytes that only the master key opens; the newest wraps the keys of new objects, together with the
 * key of their bucket, and every one opens what it has wrapped as long as the key is enabled. No key ever leaves the server.
 */

/** What a request, or the default of a bucket, says of a named key. */
export interface KmsChoice {
  readonly algorithm: KmsEncryption['algorithm'];
  /** Id, ARN or alias; undefined: the key `aws/s3`, which is made when it is first asked for. */
  readonly key: string | undefined;
  /** JSON; empty: none. */
  readonly context: Buffer;
  /** undefined: not said. */
  readonly bucketKey: boolean | undefined;
}

/** Named keys as an operator manages them. */
export interface KmsAdministration {
  list(): readonly KmsKeyRecord[];
  /** @throws StoreError InvalidArgument at a name that is none; InvalidRequest where it is taken */
  create(name: string): Promise<KmsKeyRecord>;
  /** @param key as in {@link KmsChoice} @throws StoreError KMS.NotFoundException */
  setState(key: string, state: KmsKeyRecord['state']): Promise<KmsKeyRecord>;
  /** One more version, which wraps from now on; what the others wrapped stays readable. */
  rotate(key: string): Promise<KmsKeyRecord>;
}

type Keeping = Pick<Rooms, 'reader' | 'proposer' | 'host' | 'latest'> & { readonly kmsKeys: KmsKeys };

const defaultName = 'aws/s3';
const defaultAlias = `alias/${defaultName}`;
const arnForm = /^arn:aws[a-z-]*:kms:([a-z0-9-]*):([0-9]{12}):((?:key|alias)\/.+)$/;

/** The ARN of a named key (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN). */
export const kmsKeyArn = (region: string, id: string): string => `arn:aws:kms:${region}:${firstAccount}:key/${id}`;

const notFound = (key: string) =>
  new StoreError('KMS.NotFoundException', {
    message: `Key '${key}' does not exist. Name one that does by its id, its ARN or alias/NAME: \`dsom kms list\` shows them.`,
  });

/** @throws StoreError AccessDenied where the row cannot be read: unreadable means denied */
function readable<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    throw new StoreError('AccessDenied', {
      message:
        'What is kept of the named key cannot be read, so nothing is opened with it: have this node take its metadata anew.',
      cause,
    });
  }
}

/** `alias/NAME`, or `key/` and an id; undefined for the ARN of another region or account. */
function nameOf(text: string, region: string | undefined): string | undefined {
  const [, itsRegion, account, resource] = arnForm.exec(text) ?? [];
  if (resource === undefined) return text.startsWith('alias/') ? text : `key/${text}`;
  return account === firstAccount && (region === undefined || itsRegion === region) ? resource : undefined;
}

/** @throws StoreError AccessDenied */
function here({ reader }: Keeping, text: string, region: string | undefined): KmsKeyRecord | undefined {
  const name = nameOf(text, region);
  // Longer than any is: it need not be looked for, and no row could be called so.
  if (name === undefined || name.length > 'alias/'.length + limits.kmsKeyNameChars) return undefined;
  return readable(() =>
    name.startsWith('alias/') ? reader.kms.named(name.slice(6)) : reader.kms.byId(name.slice(4).toLowerCase()),
  );
}

/**
 * Another node may have made the key, or rotated it, and an object shard may show what is encrypted with it before the system shard does here.
 * @param version that it has to have
 */
async function sought(keeping: Keeping, text: string, region?: string, version = 1): Promise<KmsKeyRecord | undefined> {
  const key = here(keeping, text, region);
  if (!keeping.latest || (key && key.versions.length >= version)) return key;
  await keeping.latest();
  return here(keeping, text, region);
}

/** @throws StoreError KMS.NotFoundException, AccessDenied; ServiceUnavailable where this node cannot ask for it */
async function found(keeping: Keeping, text: string, region?: string, version?: number): Promise<KmsKeyRecord> {
  const key = await sought(keeping, text, region, version);
  if (!key) throw notFound(text);
  return key;
}

function uuid(bytes: Buffer): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function make(keeping: Keeping, name: string): Promise<KmsKeyRecord> {
  const id = uuid(keeping.host.entropy.bytes(16));
  const wrapped = await keeping.kmsKeys.create(id, 1);
  await propose(keeping, { type: 'kmsKey.create', id, name, wrapped }, 'done');
  return found(keeping, id);
}

/** The key that is used where none is named. Of several requests that make it at once, one does. */
async function defaultKey(keeping: Keeping): Promise<KmsKeyRecord> {
  const there = () => sought(keeping, defaultAlias);
  const key = await there();
  if (key) return key;
  try {
    return await make(keeping, defaultName);
  } catch (error) {
    const made = await there();
    if (made) return made;
    throw error;
  }
}

/** @throws StoreError KMS.DisabledException; AccessDenied where the version is none that this server can open */
function open({ kmsKeys }: Keeping, key: KmsKeyRecord, version: number): OpenKmsKey | Promise<OpenKmsKey> {
  if (key.state !== 'enabled')
    throw new StoreError('KMS.DisabledException', {
      message: `The key ${key.id} (alias/${key.name}) is disabled. \`dsom kms enable\` lets it be used again.`,
    });
  const wrapped = key.versions[version - 1];
  if (!wrapped)
    throw new StoreError('AccessDenied', { message: `The key ${key.id} has no version ${version} on this server.` });
  return kmsKeys.opened(key.id, version, wrapped) ?? kmsKeys.open(key.id, version, wrapped);
}

/** The version of a named key that something was wrapped with. @throws StoreError KMS.DisabledException, KMS.NotFoundException, AccessDenied */
export const kmsKeyOf = async (keeping: Keeping, { key, version }: KmsEncryption): Promise<OpenKmsKey> =>
  open(keeping, await found(keeping, key, undefined, version), version);

/** The newest version of the key that was chosen, and what the row of something new says of it. */
export async function newKmsKey(
  keeping: Keeping,
  bucket: BucketRecord,
  choice: KmsChoice,
): Promise<{ readonly key: OpenKmsKey; readonly encryption: KmsEncryption }> {
  const { key: text = defaultAlias } = choice;
  const isDefault = nameOf(text, bucket.region) === defaultAlias;
  const record = isDefault ? await defaultKey(keeping) : await found(keeping, text, bucket.region);
  const key = await open(keeping, record, record.versions.length);
  const { algorithm, context, bucketKey = false } = choice;
  return { key, encryption: { kind: 'kms', algorithm, key: key.id, version: key.version, bucketKey, context } };
}

/**
 * An append goes on with the key that the object has: a request that says another one is refused, instead of passed over.
 * @throws StoreError InvalidRequest
 */
export async function checkAppendedWith(
  keeping: Keeping,
  bucket: BucketRecord,
  encryption: Encryption | undefined,
  choice: KmsChoice | null | undefined,
): Promise<void> {
  if (choice === undefined) return;
  const its = encryption?.kind === 'kms' ? encryption : undefined;
  const isSame =
    choice === null
      ? its === undefined
      : its?.algorithm === choice.algorithm &&
        (await sought(keeping, choice.key ?? defaultAlias, bucket.region))?.id === its.key &&
        (choice.context.length === 0 || choice.context.equals(its.context));
  if (isSame) return;
  throw new StoreError('InvalidRequest', {
    message:
      'The object has another encryption than the request says: leave the encryption out, and the bytes get that of the object.',
  });
}

/** What has to be the same when the key of an object opens. */
export const boundTo = ({ algorithm, context }: KmsEncryption): Buffer =>
  Buffer.concat([Buffer.from(`${algorithm}\0`, 'latin1'), context]);

const nameForm = /^(?!aws\/)[A-Za-z0-9/_-]+$/;

export function kmsAdministration(keeping: Keeping): KmsAdministration {
  const changed = async (key: KmsKeyRecord, change: object): Promise<KmsKeyRecord> => {
    await propose(keeping, { type: 'kmsKey.change', id: key.id, ...change }, 'done');
    return found(keeping, key.id);
  };
  return {
    list: () => readable(() => keeping.reader.kms.all()),
    create(name) {
      if (!nameForm.test(name) || name.length > limits.kmsKeyNameChars)
        throw new StoreError('InvalidArgument', {
          message: `A key is called by letters, digits, /, _ and -, ${limits.kmsKeyNameChars} at most, and not aws/ and more.`,
          detail: { ArgumentName: 'name', ArgumentValue: name },
        });
      return make(keeping, name);
    },
    setState: async (text, state) => changed(await found(keeping, text), { state }),
    async rotate(text) {
      const key = await found(keeping, text);
      const number = key.versions.length + 1;
      return changed(key, { version: { number, wrapped: await keeping.kmsKeys.create(key.id, number) } });
    },
  };
}
