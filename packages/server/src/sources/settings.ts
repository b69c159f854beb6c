import { CorruptionError, StoreError } from '../errors.ts';
import { type KeyService, openSource, sealSource } from '../keys/index.ts';
import { limits } from '../limits.ts';
import { checkAddress } from './addresses.ts';

/*
 * What is kept of the source of a bucket: a JSON document that anybody who administers may see, and in it, sealed under the master key and bound to
 * the bucket and the address, the secret with which the source is read.
 */

/** What may be seen of a source. */
export interface SourceSettings {
  /** `http://` or `https://`, host and port. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Stands before each key there. */
  readonly prefix: string;
  readonly region: string;
  readonly accessKeyId: string;
  /** Addresses of the link are spoken to as well, where machines of clouds keep their credentials. */
  readonly linkLocal: boolean;
}

export interface NewSource extends SourceSettings {
  readonly secretAccessKey: string;
}

export interface KeptSource extends SourceSettings {
  readonly version: 1;
  readonly createdMs: number;
  /** Base64. */
  readonly sealed: string;
}

const invalid = (message: string): StoreError => new StoreError('InvalidArgument', { message });

/** @returns the endpoint in its one form. @throws StoreError InvalidArgument */
function checkSource(source: SourceSettings): string {
  const url = URL.parse(source.endpoint);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid('The endpoint of a source begins with http:// or https://.');
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid(
      'The endpoint of a source is a protocol, a host and a port: give bucket, prefix and keys by themselves.',
    );
  if (!/^[A-Za-z0-9._:-]{1,255}$/.test(source.bucket)) throw invalid('Name the bucket of the source.');
  if (Buffer.byteLength(source.prefix) > limits.keyBytes / 2)
    throw invalid(`The prefix of a source has ${limits.keyBytes / 2} bytes at most: keys stand behind it.`);
  if (!/^[\x21-\x7e]{1,128}$/.test(source.accessKeyId) || !/^[\w-]{1,64}$/.test(source.region))
    throw invalid('A source is read with an access key and a region: give both.');
  checkAddress(url.hostname.replace(/^\[|\]$/g, ''), source.linkLocal);
  return url.origin;
}

/** What is kept of a source. @throws StoreError InvalidArgument */
export async function sourceDocument(
  keys: KeyService,
  bucket: string,
  { secretAccessKey, ...source }: NewSource,
  createdMs: number,
): Promise<Buffer> {
  const endpoint = checkSource(source);
  if (secretAccessKey.length === 0 || secretAccessKey.length > 1024)
    throw invalid('A source is read with a secret access key: give one.');
  const sealed = await sealSource(keys, bucket, endpoint, secretAccessKey);
  const kept: KeptSource = { version: 1, ...source, endpoint, createdMs, sealed: sealed.toString('base64') };
  return Buffer.from(JSON.stringify(kept));
}

/** @throws CorruptionError at what this version cannot read: then nothing is read elsewhere, and nothing is said to be missing */
function keptSource(document: Buffer): KeptSource {
  let kept: KeptSource;
  try {
    kept = JSON.parse(document.toString('utf8')) as KeptSource;
  } catch (cause) {
    throw new CorruptionError('the record of the source of a bucket cannot be read', { cause });
  }
  if (kept.version !== 1)
    throw new CorruptionError('the record of the source of a bucket is of a newer version of DSOM');
  return kept;
}

/** What may be seen of it. */
export function shownSource(document: Buffer): SourceSettings & { readonly createdMs: number } {
  const { version: _, sealed: __, ...shown } = keptSource(document);
  return shown;
}

/** @throws StoreError AccessDenied where the secret does not open: then the source is not read */
export async function openedSource(keys: KeyService, bucket: string, document: Buffer): Promise<NewSource> {
  const { sealed, version: _, createdMs: __, ...settings } = keptSource(document);
  const secretAccessKey = await openSource(keys, bucket, settings.endpoint, Buffer.from(sealed, 'base64'));
  return { ...settings, secretAccessKey };
}
