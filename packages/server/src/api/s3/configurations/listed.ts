import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { configurationBytes } from '../../../metadata/index.ts';
import { answerEmpty, answerXml, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { parseXml, type XmlElement } from '../xml/parser.ts';
import { element, s3Document } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/*
 * Kinds of configurations of which a bucket may have many, each under an id. All of one kind are one kept document, in order of their ids, so that a bucket
 * that has none costs nothing. Two changes of the same moment are both kept: a change says which document it was worked out from.
 */

/** One kind of them. */
export interface ListedForm<Value extends { readonly id: string }>
  extends Pick<ConfigurationForm<Value>, 'kind' | 'root' | 'digest' | 'parse' | 'write'> {
  /** Root of the answer that lists them. */
  readonly listing: string;
}

/** Times a change starts over because another one came between. */
const patience = 16;
const idForm = /^[A-Za-z0-9._-]+$/;

/** The Id of a configuration. */
function checkId(id: string | undefined): string {
  if (id === undefined || id.length > limits.configurationIdChars || !idForm.test(id))
    throw invalidArgument(
      'id',
      id,
      `The id of a configuration has 1 to ${limits.configurationIdChars} letters, digits, periods, dashes and underscores.`,
    );
  return id;
}

function kept<Value extends { readonly id: string }>(
  call: S3Call,
  form: ListedForm<Value>,
): { readonly bytes: Buffer | undefined; readonly values: readonly Value[] } {
  const bytes = call.service.objects.configuration(call.bucket, form.kind);
  return { bytes, values: bytes ? parseXml(bytes).children.map(form.parse) : [] };
}

const written = <Value extends { readonly id: string }>(form: ListedForm<Value>, value: Value): string =>
  `<${form.root}>${form.write(value)}</${form.root}>`;

const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1);

/** @param change works on what is there at that moment, and is asked again when that is not so any more */
async function changeListed<Value extends { readonly id: string }>(
  call: S3Call,
  form: ListedForm<Value>,
  change: (values: readonly Value[]) => readonly Value[],
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { bytes, values } = kept(call, form);
    const changed = change(values);
    const inner = [...changed].sort(byId).map((value) => written(form, value));
    const document = changed.length === 0 ? null : Buffer.from(s3Document(`${form.root}s`, inner.join('')), 'utf8');
    try {
      await call.service.objects.configure(call.bucket, form.kind, document, bytes ?? null);
      return;
    } catch (error) {
      const other = error instanceof StoreError && error.code === 'ConditionalRequestConflict';
      if (!other || attempt === patience) throw error;
    }
  }
}

const nothingSuch = () => new StoreError('NoSuchConfiguration');

/** @param screen looks once more at the one that is put, before it is kept */
export async function putListed<Value extends { readonly id: string }>(
  call: S3Call,
  form: ListedForm<Value>,
  screen?: (value: Value) => void,
): Promise<void> {
  const id = checkId(call.query.get('id'));
  const value = form.parse(await requireDocument(call, form.root, form.digest, configurationBytes(form.kind)));
  if (value.id !== id)
    throw invalidArgument('id', id, `The id of the request is not the Id in the document, which is ${value.id}.`);
  screen?.(value);
  await changeListed(call, form, (values) => {
    const others = values.filter((one) => one.id !== id);
    if (others.length >= limits.listedConfigurations) throw new StoreError('TooManyConfigurations');
    return [...others, value];
  });
  answerEmpty(call, 200);
}

export function getListed<Value extends { readonly id: string }>(call: S3Call, form: ListedForm<Value>): void {
  const id = call.query.get('id');
  const found = kept(call, form).values.find((value) => value.id === id);
  if (!found) throw nothingSuch();
  answerXml(call, s3Document(form.root, form.write(found)));
}

export async function deleteListed<Value extends { readonly id: string }>(
  call: S3Call,
  form: ListedForm<Value>,
): Promise<void> {
  const id = checkId(call.query.get('id'));
  await changeListed(call, form, (values) => {
    if (!values.some((value) => value.id === id)) throw nothingSuch();
    return values.filter((value) => value.id !== id);
  });
  answerEmpty(call, 204);
}

/** The token is the id after which a page goes on; wrapped, so that nobody builds one by hand. */
function afterOf(token: string | undefined): string {
  if (token === undefined || token === '') return '';
  const id = Buffer.from(token, 'base64url').toString('latin1');
  if (!idForm.test(id) || Buffer.from(id, 'latin1').toString('base64url') !== token)
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect');
  return id;
}

export function listListed<Value extends { readonly id: string }>(call: S3Call, form: ListedForm<Value>): void {
  const token = call.query.get('continuation-token');
  const after = afterOf(token);
  const rest = kept(call, form).values.filter(({ id }) => id > after);
  const page = rest.slice(0, limits.listedConfigurationsPage);
  const last = rest.length > page.length ? page.at(-1) : undefined;
  const inner =
    element('IsTruncated', last !== undefined) +
    element('ContinuationToken', token === '' ? undefined : token) +
    element('NextContinuationToken', last && Buffer.from(last.id, 'latin1').toString('base64url')) +
    page.map((value) => written(form, value)).join('');
  answerXml(call, s3Document(form.listing, inner));
}

/** The Id that every such document has. */
export function idOf(document: XmlElement): string {
  const id = document.children.find((child) => child.name === 'Id');
  return checkId(id?.text.trim());
}
