import { s3Path } from './encode.ts';
import { DsomError } from './error.ts';
import type { Transport } from './request.ts';

/** Longest life of a presigned URL: seven days, in seconds. */
export const presignSecondsMax = 7 * 24 * 3600;

export interface PresignOptions {
  /** Life of the URL in seconds, from now. Default one hour. */
  readonly expiresIn?: number | undefined;
  readonly versionId?: string | undefined;
  /** GET: the Content-Disposition of the answer, for example `attachment; filename="a.pdf"`. */
  readonly contentDisposition?: string | undefined;
  /** GET: the Content-Type of the answer. PUT: the Content-Type that the request must carry. */
  readonly contentType?: string | undefined;
}

/** A URL with which anybody can read, or write, one object until it expires. */
export async function presign(
  transport: Transport,
  method: 'GET' | 'PUT',
  bucket: string,
  key: string,
  options: PresignOptions = {},
): Promise<string> {
  const seconds = options.expiresIn ?? 3600;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > presignSecondsMax)
    throw new DsomError('InvalidArgument', {
      message: `expiresIn is a whole number of seconds from 1 to ${presignSecondsMax}.`,
    });
  const { endpoint, signer } = transport.options;
  const reading = method === 'GET';
  const headers: Record<string, string> =
    !reading && options.contentType !== undefined ? { 'content-type': options.contentType } : {};
  const target = await signer.presign(
    {
      method,
      host: endpoint.host,
      path: s3Path(bucket, key),
      query: {
        versionId: options.versionId,
        'response-content-disposition': reading ? options.contentDisposition : undefined,
        'response-content-type': reading ? options.contentType : undefined,
      },
      headers,
      time: transport.now(),
    },
    seconds,
  );
  return `${endpoint.origin}${target}`;
}
