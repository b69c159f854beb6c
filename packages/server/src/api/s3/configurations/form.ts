import { type ErrorCode, StoreError } from '../../../errors.ts';
import { FifoMap } from '../../../fifo.ts';
import { limits } from '../../../limits.ts';
import { type ConfigurationKind, configurationBytes } from '../../../metadata/index.ts';
import { answerEmpty, answerXml, type S3Call } from '../call.ts';
import { requireDocument } from '../incoming.ts';
import { parseXml, type XmlElement } from '../xml/parser.ts';
import { s3Document } from '../xml/writer.ts';

/*
 * Configurations of a bucket as S3 has them: an XML document in, checked whole, and kept in the one form in which it is answered. So reading one is
 * giving the kept bytes back, and what is kept is read by the parser that took it in.
 */

/** One kind of configuration. */
export interface ConfigurationForm<Value> {
  readonly kind: ConfigurationKind;
  /** Name of the root element. */
  readonly root: string;
  /** Whether AWS wants a Content-MD5 or a checksum with it. */
  readonly digest: 'required' | 'optional';
  /** What a read answers when there is none: a code, or the content of a document. */
  readonly unset: { readonly error: ErrorCode } | { readonly inner: string };
  /** @throws StoreError with the code of AWS at whatever is not as documented */
  readonly parse: (document: XmlElement) => Value;
  /** What stands within the root element. `parse` of it gives the same value. */
  readonly write: (value: Value) => string;
}

/** The bytes that are kept of a value. */
export const documentOf = <Value>(form: ConfigurationForm<Value>, value: Value): Buffer =>
  Buffer.from(s3Document(form.root, form.write(value)), 'utf8');

/** What the document of a request says. @throws StoreError with the code of AWS */
export const takeConfiguration = async <Value>(call: S3Call, form: ConfigurationForm<Value>): Promise<Value> =>
  form.parse(await requireDocument(call, form.root, form.digest, configurationBytes(form.kind)));

/** Puts the configuration of a request, when everything in it is understood, in the place of the one that is there. */
export async function putConfiguration<Value>(call: S3Call, form: ConfigurationForm<Value>): Promise<void> {
  const value = await takeConfiguration(call, form);
  await call.service.objects.configure(call.bucket, form.kind, documentOf(form, value));
  answerEmpty(call, 200);
}

export function getConfiguration<Value>(call: S3Call, form: ConfigurationForm<Value>): void {
  const kept = call.service.objects.configuration(call.bucket, form.kind);
  // An empty one says that there shall be none, where a bucket has one from the start.
  if (kept && kept.length > 0) return answerXml(call, kept.toString('utf8'));
  if ('error' in form.unset) throw new StoreError(form.unset.error);
  answerXml(call, s3Document(form.root, form.unset.inner));
}

/** Succeeds when there is none, too. */
export async function deleteConfiguration<Value>(call: S3Call, form: ConfigurationForm<Value>): Promise<void> {
  await call.service.objects.configure(call.bucket, form.kind, null);
  answerEmpty(call, 204);
}

/** Configurations by bucket as values, each with the bytes that it was read from: comparing those is cheaper than reading them again. */
export class ReadConfigurations<Value> {
  readonly #read: (bytes: Buffer) => Value;
  readonly #known: FifoMap<string, { readonly bytes: Buffer; readonly value: Value }>;

  constructor(read: (bytes: Buffer) => Value, most: number) {
    this.#read = read;
    this.#known = new FifoMap(most);
  }

  /** @param bytes what is kept for the bucket now */
  of(bucket: string, bytes: Buffer): Value {
    const known = this.#known.get(bucket);
    if (known && (known.bytes === bytes || known.bytes.equals(bytes))) return known.value;
    const value = this.#read(bytes);
    this.#known.set(bucket, { bytes, value });
    return value;
  }
}

/** Those that are kept as S3 has them. */
export class ParsedConfigurations<Value> extends ReadConfigurations<Value> {
  constructor({ parse }: Pick<ConfigurationForm<Value>, 'parse'>) {
    super((bytes) => parse(parseXml(bytes)), limits.parsedConfigurations);
  }
}
