import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { realHost } from '../../host/index.ts';
import { keys, startServer } from '../server.fixture.ts';
import { type Ran, runHere } from '../stub.fixture.ts';
import { S3Connection } from './connection.ts';
import { elements, textOf } from './xml.ts';

export interface Store {
  readonly endpoint: string;
  readonly s3: S3Connection;
  stop(): Promise<void>;
}

export function clientOf(endpoint: string, credentials = keys, region?: string): S3Connection {
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const connection = { endpoint, ...credentials, ...(region !== undefined && { region }) };
  return new S3Connection(connection, realHost(), new AbortController().signal, sleep);
}

export async function startStore(): Promise<Store> {
  const server = await startServer('dsom-migrate-');
  const s3 = clientOf(server.endpoint);
  return {
    endpoint: server.endpoint,
    s3,
    async stop() {
      s3.close();
      await server.stop();
    },
  };
}

export interface Gate {
  readonly endpoint: string;
  close(): void;
}

/** A port in front of a store. `handle` answers each request, or has it sent on and is given the store's answer. */
export async function frontOf(
  store: Store,
  handle: (
    request: IncomingMessage,
    response: ServerResponse,
    sendOn: (onAnswer: (answer: IncomingMessage) => void) => void,
  ) => unknown,
): Promise<Gate> {
  const { hostname, port } = new URL(store.endpoint);
  const server = http.createServer((request, response) => {
    const { method = '', url: path, headers } = request;
    void handle(request, response, (onAnswer) => {
      const onward = http.request({ hostname, port, method, path, headers }, onAnswer);
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A way to a store on which each request waits for `before`, and is answered by it where it says something. */
export const gateTo = (
  store: Store,
  before: (request: IncomingMessage) => Promise<{ status: number; body: string } | undefined>,
): Promise<Gate> =>
  frontOf(store, async (request, response, sendOn) => {
    const said = await before(request);
    if (said) return void response.writeHead(said.status).end(said.body);
    sendOn((answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
      answer.pipe(response);
    });
  });

export const environment = (from: string, to: string, fromKeys = keys): Record<string, string> => ({
  HOME: '/nonexistent',
  TZ: 'UTC',
  DSOM_ENDPOINT: to,
  DSOM_ACCESS_KEY_ID: keys.accessKeyId,
  DSOM_SECRET_ACCESS_KEY: keys.secretAccessKey,
  DSOM_FROM_ENDPOINT: from,
  DSOM_FROM_ACCESS_KEY_ID: fromKeys.accessKeyId,
  DSOM_FROM_SECRET_ACCESS_KEY: fromKeys.secretAccessKey,
});

export const migrate = (from: string, to: string, parameters: readonly string[], fromKeys = keys): Promise<Ran> =>
  runHere(['migrate', ...parameters, '--json'], environment(from, to, fromKeys));

export const put = (
  s3: S3Connection,
  bucket: string,
  key: string,
  body: string,
  headers: Record<string, string> = {},
) => s3.send({ method: 'PUT', bucket, key, body, headers });

export const versioning = (s3: S3Connection, bucket: string, status: 'Enabled' | 'Suspended') =>
  s3.send({
    method: 'PUT',
    bucket,
    query: { versioning: '' },
    body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
  });

/** Puts an object in parts of these texts. */
export async function putParts(s3: S3Connection, bucket: string, key: string, parts: readonly string[]): Promise<void> {
  const begun = await s3.send({ method: 'POST', bucket, key, query: { uploads: '' } });
  const uploadId = textOf(begun.text, 'UploadId') as string;
  let list = '';
  for (const [i, body] of parts.entries()) {
    const query = { partNumber: String(i + 1), uploadId };
    const { headers } = await s3.send({ method: 'PUT', bucket, key, query, body });
    list += `<Part><PartNumber>${i + 1}</PartNumber><ETag>${headers['etag']}</ETag></Part>`;
  }
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
  await s3.send({ method: 'POST', bucket, key, query: { uploadId }, body });
}

/** What a listing of versions tells of each, but for what every store gives itself: ids (`null` is kept) and times. */
export async function contents(s3: S3Connection, bucket: string): Promise<string[]> {
  const { text } = await s3.send({ method: 'GET', bucket, query: { versions: '', 'encoding-type': 'url' } });
  return elements(text, 'Version', 'DeleteMarker').map(({ name, inner }) =>
    [
      name,
      textOf(inner, 'Key'),
      textOf(inner, 'ETag') ?? '',
      textOf(inner, 'Size') ?? '',
      textOf(inner, 'IsLatest'),
      textOf(inner, 'VersionId') === 'null' ? 'null' : 'id',
    ].join(' '),
  );
}
