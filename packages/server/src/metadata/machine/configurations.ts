import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { ended, format } from './fields.ts';

const KiB = 1024;

/**
 * What a bucket may have configured, each with its number on disk and in the log, and the bytes that its document may have. A number is never
 * changed or reused. What no operation writes yet has its number all the same: every version that knows the table knows them all.
 */
export const configurationKinds = {
  cors: { number: 1, bytes: 64 * KiB },
  encryption: { number: 2, bytes: 4 * KiB },
  requestPayment: { number: 3, bytes: KiB },
  accelerate: { number: 4, bytes: KiB },
  ownershipControls: { number: 5, bytes: KiB },
  publicAccessBlock: { number: 6, bytes: KiB },
  website: { number: 7, bytes: 128 * KiB },
  policy: { number: 8, bytes: 64 * KiB },
  acl: { number: 9, bytes: 64 * KiB },
  lifecycle: { number: 10, bytes: 512 * KiB },
  notification: { number: 11, bytes: 64 * KiB },
  logging: { number: 12, bytes: 64 * KiB },
  replication: { number: 13, bytes: 256 * KiB },
  objectLock: { number: 14, bytes: KiB },
  inventory: { number: 15, bytes: 512 * KiB },
  analytics: { number: 16, bytes: 512 * KiB },
  metrics: { number: 17, bytes: 512 * KiB },
  intelligentTiering: { number: 18, bytes: 512 * KiB },
} as const satisfies Record<string, { readonly number: number; readonly bytes: number }>;

export type ConfigurationKind = keyof typeof configurationKinds;

const byNumber: readonly (ConfigurationKind | undefined)[] = (() => {
  const kinds: (ConfigurationKind | undefined)[] = [];
  for (const kind of Object.keys(configurationKinds) as ConfigurationKind[])
    kinds[configurationKinds[kind].number] = kind;
  return kinds;
})();

/** @throws CorruptionError at a number that this version does not know */
export function configurationKindOf(number: number): ConfigurationKind {
  const kind = byNumber[number];
  if (kind === undefined) throw new CorruptionError(`unknown kind ${number} of bucket configuration`);
  return kind;
}

export const isConfigurationKind = (kind: unknown): kind is ConfigurationKind =>
  typeof kind === 'string' && Object.hasOwn(configurationKinds, kind);

/** Bytes that a document of this kind may have. */
export const configurationBytes = (kind: ConfigurationKind): number =>
  Math.min(configurationKinds[kind].bytes, limits.configurationBytes);

/** The row of table `configurations`: 01, the document as bytes. What a document means is known to whoever wrote it. */
export const encodeConfiguration = (document: Uint8Array): Buffer =>
  new ByteWriter(document.length + 6).u8(1).bytes(document).finish();

export function decodeConfiguration(row: Buffer): Buffer {
  const from = new ByteReader(row);
  format(from, 1, 'configuration of a bucket');
  return ended(from, from.bytes());
}
