import type { IncomingHttpHeaders } from 'node:http';
import type { PayloadForm, Principal, Target } from '../../access/index.ts';
import type { Clock } from '../../host/index.ts';
import type { Position } from '../../log/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { pushLevel } from '../http/consistency.ts';
import type { Exchange, HeaderList } from '../http/exchange.ts';
import type { AccessLog } from './access-log.ts';
import type { Notifications } from './announce.ts';
import type { Authorization } from './authorization.ts';
import type { S3Operation } from './names.ts';

/** What all calls of one handler share. */
export interface S3Service {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly region: string;
  /** Newest applied position of the system shard, where the server can tell. */
  readonly position: (() => Position) | undefined;
  /** For how long this replica may be behind without knowing, ms; absent where there is only one. */
  readonly staleMs?: (() => number) | undefined;
  /** Length of a day of lifecycles, ms: 24 hours, or less in tests. */
  readonly lifecycleDayMs: number;
  /** Absent: nobody can be told of anything. */
  readonly notifications?: Notifications | undefined;
  /** Told of what has a line of its own besides the request. */
  readonly accessLog?: Pick<AccessLog, 'copied' | 'deleted'> | undefined;
  /** Value of x-amz-id-2 and HostId. */
  readonly hostId: string;
  /** Keys of customers are taken from any connection. Absent: over TLS, and from this machine. */
  readonly customerKeysOverHttp?: boolean;
  /**
   * The call of a form, as whoever signed it: he is known only once the fields were read.
   * @param headersOf called once the signature is good: what the fields say in headers
   * @throws StoreError (rejects) where the signature is not good
   */
  readonly signedBy: (
    call: S3Call,
    fields: ReadonlyMap<string, string>,
    headersOf: () => IncomingHttpHeaders,
  ) => Promise<S3Call>;
  /** A stream broke after its headers were out; the client saw the connection end. */
  readonly broken: (call: S3Call, error: unknown) => void;
}

/** One authenticated, permitted and screened request on its way to its operation. */
export interface S3Call {
  readonly exchange: Exchange;
  readonly operation: S3Operation;
  readonly service: S3Service;
  /** Headers as received and, in presigned requests, the `x-amz-` parameters that stand for headers. */
  readonly headers: IncomingHttpHeaders;
  readonly query: Target['query'];
  /** Empty for operations of the service. */
  readonly bucket: string;
  /** Empty for operations of a bucket. */
  readonly key: Buffer;
  /** Path as received, for error answers. */
  readonly rawPath: string;
  readonly principal: Principal;
  /** What it may do: asked before the operation begins, and by the operation about all that only a document or a look-up names. */
  readonly authorization: Authorization;
  /** Who owns what this call creates. */
  readonly owner: string;
  readonly payload: PayloadForm;
}

/** A header of the request; repeated ones were joined. */
export function header(call: Pick<S3Call, 'headers'>, name: string): string | undefined {
  return call.headers[name] as string | undefined;
}

/** Headers that every answer begins with. */
export function openHeaders(id: string, hostId: string): HeaderList {
  return ['x-amz-request-id', id, 'x-amz-id-2', hostId, 'Server', 'DSOM'];
}

export function answerHeaders(call: S3Call): HeaderList {
  const headers = openHeaders(call.exchange.id, call.service.hostId);
  const consistency = call.headers['x-dsom-consistency'];
  if (consistency !== undefined) pushLevel(headers, consistency as string, call.service.staleMs?.());
  return headers;
}

/** Answers without a body. */
export function answerEmpty(call: S3Call, status: number, headers: HeaderList = answerHeaders(call)): void {
  if (status !== 204) headers.push('Content-Length', '0');
  call.exchange.send(status, headers);
}

/** Answers 200 with an XML document. */
export function answerXml(call: S3Call, document: string, headers: HeaderList = answerHeaders(call)): void {
  const body = Buffer.from(document, 'utf8');
  headers.push('Content-Type', 'application/xml', 'Content-Length', String(body.length));
  call.exchange.send(200, headers, body);
}
