import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { KmsKeyCommand, KmsKeyReader, KmsKeyRecord } from '../kms.ts';
import type { Decision, Stamp } from './deciding.ts';
import { choice, ended, format } from './fields.ts';
import { keys } from './keys.ts';
import type { View } from './view.ts';

/*
 * Named keys (SSE-KMS). They are the system shard's, and every node has it. What a version of a key is, wrapped by the master key, is opaque here. A key is
 * never taken away and keeps its name and all its versions: what was written with them must open. It can be disabled, and then opens nothing.
 */

const states = ['enabled', 'disabled'] as const;

/** 01, id, name strings, created u64, state u8, count varint, versions as bytes, the first one first. */
export function encodeKmsKey({ id, name, createdMs, state, versions }: KmsKeyRecord): Buffer {
  const out = new ByteWriter(128).u8(1).string(id).string(name).u64(createdMs).u8(states.indexOf(state));
  out.varint(versions.length);
  for (const version of versions) out.bytes(version);
  return out.finish();
}

/** @throws CorruptionError at anything that is not wholly understood: what cannot be read must open nothing */
export function decodeKmsKey(bytes: Uint8Array): KmsKeyRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'named key');
  const head = { id: from.string(), name: from.string(), createdMs: from.u64() };
  const state = choice(states, from.u8(), 'state of a named key');
  const count = from.varint();
  if (count < 1 || count > limits.kmsKeyVersions)
    throw new CorruptionError('named key has an impossible number of versions');
  return ended(from, { ...head, state, versions: Array.from({ length: count }, () => from.bytes()) });
}

/** Effect `kmsKey.write`. */
export const kmsKeyCodec = {
  code: 61,
  write: (out: ByteWriter, { key }: { readonly key: KmsKeyRecord }) => out.bytes(encodeKmsKey(key)),
  read: (from: ByteReader) => ({ key: decodeKmsKey(from.bytes()) }),
} as const;

export class KmsKeyView implements KmsKeyReader {
  readonly #get: (key: Buffer) => Uint8Array | undefined;
  readonly #ids: () => string[];

  constructor(get: (key: Buffer) => Uint8Array | undefined, ids: () => string[]) {
    this.#get = get;
    this.#ids = ids;
  }

  byId(id: string): KmsKeyRecord | undefined {
    const row = this.#get(keys.kmsKey(id));
    if (!row) return undefined;
    const key = decodeKmsKey(row);
    if (key.id !== id) throw new CorruptionError('the row of a named key holds another key');
    return key;
  }

  named(name: string): KmsKeyRecord | undefined {
    const id = this.#get(keys.kmsKeyName(name));
    return id && this.byId(Buffer.from(id).toString('utf8'));
  }

  all(): readonly KmsKeyRecord[] {
    return this.#ids().flatMap((id) => this.byId(id) ?? []);
  }
}

type Of<Type extends KmsKeyCommand['type']> = Extract<KmsKeyCommand, { type: Type }>;
const written = (key: KmsKeyRecord): Decision => ({
  effects: [{ type: 'kmsKey.write', key }],
  reply: { type: 'done' },
});

/** @throws StoreError InvalidRequest where the name is taken, or beyond {@link limits.kmsKeys} */
export function decideKmsKey(view: View, { id, name, wrapped }: Of<'kmsKey.create'>, { now }: Stamp): Decision {
  if (view.kms.byId(id) || view.kms.named(name))
    throw new StoreError('InvalidRequest', {
      message: `There is a key ${name} already: use it, or choose another name. \`dsom kms list\` shows those that there are.`,
    });
  if (view.kms.all().length >= limits.kmsKeys)
    throw new StoreError('InvalidRequest', {
      message: `There are ${limits.kmsKeys} named keys, as many as there may be. Use one of them.`,
    });
  return written({ id, name, createdMs: now, state: 'enabled', versions: [wrapped] });
}

/** @throws StoreError KMS.NotFoundException; ConcurrentModification where another version has come meanwhile; InvalidRequest beyond {@link limits.kmsKeyVersions} */
export function decideKmsKeyChange(view: View, { id, state, version }: Of<'kmsKey.change'>): Decision {
  const key = view.kms.byId(id);
  if (!key) throw new StoreError('KMS.NotFoundException', { resource: id });
  if (version && version.number !== key.versions.length + 1) throw new StoreError('ConcurrentModification');
  if (version && key.versions.length >= limits.kmsKeyVersions)
    throw new StoreError('InvalidRequest', {
      message: `The key has ${limits.kmsKeyVersions} versions, as many as it may have. Make a new key.`,
    });
  return written({
    ...key,
    state: state ?? key.state,
    versions: version ? [...key.versions, version.wrapped] : key.versions,
  });
}
