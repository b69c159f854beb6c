import { StoreError } from '../errors.ts';
import type { VersionRecord, VersionSelector } from '../metadata/index.ts';

/*
 * How ids look outside. A version id is 32 hexadecimal digits, sequence (u64 big-endian) then nonce, or `null` for the null version;
 * an upload id and a GUK are the 32 digits of their 16 bytes. Only lower case is accepted, so that each id has one form.
 */

const digits = /^[0-9a-f]{32}$/;
/** What S3 gives for version ids has this form (https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html). */
const form = /^[0-9A-Za-z._-]{32}$/;
/** No version has it: sequences begin with 1. */
const none = { sequence: 0, nonce: Buffer.alloc(8) };

/** Whether a text may be the id of a version, here or in another store. */
export const isVersionId = (text: string): boolean => text === 'null' || form.test(text);

/** The version id that clients see. */
export function versionIdText(record: Pick<VersionRecord, 'sequence' | 'nonce' | 'isNull'>): string {
  return record.isNull ? 'null' : record.sequence.toString(16).padStart(16, '0') + record.nonce.toString('hex');
}

/**
 * @returns undefined for undefined: the newest version; for an id of another store what finds nothing
 * @throws StoreError InvalidArgument when the text is no version id
 */
export function parseVersionId(text: string | undefined): VersionSelector {
  if (text === undefined || text === 'null') return text;
  if (!isVersionId(text)) {
    throw new StoreError('InvalidArgument', {
      message: 'Invalid version id specified',
      detail: { ArgumentName: 'versionId', ArgumentValue: text.slice(0, 128) },
    });
  }
  const sequence = digits.test(text) ? Number.parseInt(text.slice(0, 16), 16) : 0;
  return Number.isSafeInteger(sequence) && sequence > 0
    ? { sequence, nonce: Buffer.from(text.slice(16), 'hex') }
    : none;
}

/** The upload id that clients see. */
export function uploadIdText(id: Buffer): string {
  return id.toString('hex');
}

/** @throws StoreError NoSuchUpload when the text is no upload id: none has it */
export function parseUploadId(text: string): Buffer {
  if (!digits.test(text)) throw new StoreError('NoSuchUpload', { detail: { UploadId: text.slice(0, 128) } });
  return Buffer.from(text, 'hex');
}

/** The globally unique key that clients see. */
export function gukText(guk: Buffer): string {
  return guk.toString('hex');
}

/** @throws StoreError NotFound when the text is no GUK: nothing has it */
export function parseGuk(text: string): Buffer {
  if (!digits.test(text)) throw new StoreError('NotFound', { resource: text.slice(0, 128) });
  return Buffer.from(text, 'hex');
}
