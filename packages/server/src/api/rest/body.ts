import type { z } from 'zod';
import { decodePayload, decodeWhole, type PayloadForm } from '../../access/index.ts';
import { release } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Expected, Incoming } from '../../objects/index.ts';
import { collect } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';

const wholeNumber = /^[0-9]{1,16}$/;

function announcedLength(exchange: Exchange, form: PayloadForm): number | undefined {
  const name = form.kind === 'chunked' ? 'x-amz-decoded-content-length' : 'content-length';
  const text = exchange.request.headers[name] as string | undefined;
  if (text === undefined) return undefined;
  if (!wholeNumber.test(text))
    throw new StoreError('InvalidArgument', { message: `${name} is not a whole number of bytes.` });
  return Number(text);
}

/**
 * The plain bytes of a body, with the digests that its headers announce: in hand when they are few. A length is not required: HTTP's own
 * chunking says where it ends.
 */
export async function incoming(
  exchange: Exchange,
  form: PayloadForm,
  maximum: number,
): Promise<{ readonly body: Incoming; readonly expected: Expected }> {
  const length = announcedLength(exchange, form);
  if (length !== undefined && length > maximum)
    throw new StoreError('EntityTooLarge', {
      detail: { ProposedSize: String(length), MaxSizeAllowed: String(maximum) },
    });
  const md5 = exchange.request.headers['content-md5'] as string | undefined;
  const digest = md5 === undefined ? undefined : Buffer.from(md5, 'base64');
  if (digest && digest.length !== 16) throw new StoreError('InvalidDigest');
  const expected = digest ? { md5: digest } : {};
  const options = { decodedLength: length, announced: exchange.request.headers['x-amz-trailer'] as string | undefined };
  const raw = Number(exchange.request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (length !== undefined && length <= limits.wholeBodyBytes && raw <= 2 * limits.wholeBodyBytes) {
    const short = () => new StoreError('IncompleteBody');
    const bytes = exchange.body.arrived(raw) ?? (await collect(exchange.body, raw, short));
    const { body: whole } = decodeWhole(form, bytes, options);
    if (whole.length !== length) throw short();
    return { body: { whole, stream: exchange.body, length }, expected };
  }
  const { stream } = decodePayload(form, exchange.body, options);
  return { body: { stream, release, length, whose: exchange.admitted?.tenant }, expected };
}

/**
 * Reads a JSON body and checks it against its schema; an empty body stands for `{}`.
 * @throws StoreError InvalidRequest naming the field
 */
export async function jsonBody<Schema extends z.ZodType>(
  exchange: Exchange,
  form: PayloadForm,
  schema: Schema,
): Promise<z.output<Schema>> {
  const tooLarge = () =>
    new StoreError('EntityTooLarge', { message: `A JSON body may have ${limits.documentBytes} bytes.` });
  const { stream } = decodePayload(form, exchange.body, {
    decodedLength: announcedLength(exchange, form),
    announced: undefined,
  });
  const bytes = await collect(stream, limits.documentBytes, tooLarge);
  let value: unknown = {};
  try {
    if (bytes.length > 0) value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new StoreError('BadRequest', { message: `The body is not JSON: ${(cause as Error).message}.`, cause });
  }
  return checked(schema, value, 'body');
}

/** @throws StoreError InvalidArgument naming what is wrong and where */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  throw new StoreError('InvalidArgument', { message: `${[where, ...issue.path].join('.')}: ${issue.message}` });
}
