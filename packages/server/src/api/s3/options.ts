import type { Authenticator, WebsiteNames } from '../../access/index.ts';
import type { Clock, Timers } from '../../host/index.ts';
import type { InvariantError } from '../../invariant.ts';
import type { Position } from '../../log/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Admission } from '../http/admission.ts';
import type { TrustedProxies } from '../http/connection.ts';
import type { Freshness } from '../http/consistency.ts';
import type { Refusals } from '../http/refusals.ts';
import type { AccessLog } from './access-log.ts';
import type { Notifications } from './announce.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** Where failures are written that a client must not see in detail. */
export interface S3Log {
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface S3Options {
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  /** Who lets requests in. Absent: nobody is held back. */
  readonly admission?: Admission;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whose headers count that say by which connection a client came. Absent: nobody's. */
  readonly proxies?: TrustedProxies | undefined;
  /** A new id for every request: x-amz-request-id. */
  readonly requestId: () => string;
  readonly region: string;
  /** Lower-case names below which a bucket may stand (virtual-host style); none: path style only. */
  readonly baseDomains: readonly string[];
  /** Host names under which buckets are read as websites. Absent: none. */
  readonly websites?: WebsiteNames;
  readonly log: S3Log;
  /** Where refused requests are logged. Absent: nowhere. */
  readonly refusals?: Pick<Refusals, 'note'>;
  /** Newest applied position of a shard, the system shard by default: session tokens are checked against it. */
  readonly position?: (shard?: number) => Position;
  /** How many shards there are. Absent: one. */
  readonly shards?: number;
  /** Where several nodes share the log: how this one gets as fresh as a request asks for. */
  readonly shared?: Freshness['shared'];
  /** Event notifications. Absent: none. */
  readonly notifications?: Notifications;
  /** Where requests of buckets that are logged are written. Absent: nowhere. */
  readonly accessLog?: AccessLog;
  /** Counts requests by the metrics configurations of their bucket. Absent: nobody does. */
  readonly requestMetrics?: RequestMetrics;
  /** Called once per request, when its answer was handed to the socket; status 499 when the client had gone. */
  readonly telemetry?: (operation: string, status: number, seconds: number, bytesIn: number, bytesOut: number) => void;
  /** Counts what each tenant had. */
  readonly tenants?: { finished(tenant: string, bytesIn: number, bytesOut: number): void };
  /** Length of a day of lifecycles, ms. Absent: 24 hours. */
  readonly lifecycleDayMs?: number | undefined;
  /** Whether keys of customers are taken from any connection, because a proxy took them from TLS. Absent: over TLS, and from this machine. */
  readonly customerKeysOverHttp?: boolean;
  /** Value of x-amz-id-2 and HostId: which server answered. */
  readonly hostId?: string;
  /** What to do about a broken assumption after its request was answered. Default: an uncaught exception, which stops the process. */
  readonly fatal?: (error: InvariantError) => void;
}
