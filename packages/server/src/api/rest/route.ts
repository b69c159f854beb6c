import type { z } from 'zod';
import type { Administration, PayloadForm, Quotas } from '../../access/index.ts';
import type { Host } from '../../host/index.ts';
import type { Position } from '../../log/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Exchange, HeaderList } from '../http/exchange.ts';
import type { Authorization } from '../s3/authorization.ts';
import type { S3Operation } from '../s3/names.ts';
import type { RequestFacts } from '../s3/permissions.ts';
import type { KeyAdmin } from './keyadmin.ts';

/** What all routes share. */
export interface RestService {
  readonly objects: ObjectService;
  readonly keys: KeyAdmin;
  readonly accounts: Administration;
  readonly quotas: Quotas;
  readonly host: Host;
  readonly region: string;
  readonly version: string;
  /** Newest applied position of this thread's replica. */
  readonly position: () => Position;
  /** Asks the owner's thread: background jobs, status. */
  readonly admin: (method: string, argument: unknown) => Promise<unknown>;
  readonly openapi: () => unknown;
}

/** One authenticated and permitted call. */
export interface RestCall<Query = unknown, Body = unknown> {
  readonly service: RestService;
  readonly exchange: Exchange;
  /** Parts of the path by name, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly payload: PayloadForm;
  /** What it may do: asked before the route runs, and by the route about all that only its body names. */
  readonly authorization: Authorization;
  /** What it is about, as far as path, query and headers say. */
  readonly facts: RequestFacts;
  /** Who owns what this call creates. */
  readonly owner: string;
  /** A header of the request. */
  header(name: string): string | undefined;
  /** Answers with JSON. */
  json(status: number, value: unknown, headers?: HeaderList): void;
  empty(status: number, headers?: HeaderList): void;
  /** Headers that every answer begins with. @param position where it was read or written; the newest by default */
  headers(...positions: Position[]): HeaderList;
}

/** What a body or an answer is, where it is not JSON. */
export type Opaque = 'bytes' | 'none' | 'lines';

/**
 * Who may call a route. `open`: whoever has a key; what he then sees, the route asks. `admin`: who may administer the server. Else who may do the same
 * over S3: all of these operations to what the path names, or, when `later`, to what only the body names, which the route then asks.
 */
export type RouteAccess =
  | 'open'
  | 'admin'
  | { readonly operations: readonly [S3Operation, ...S3Operation[]]; readonly later: boolean };

export const asFor = (...operations: [S3Operation, ...S3Operation[]]): RouteAccess => ({ operations, later: false });
export const asForNamed = (operation: S3Operation): RouteAccess => ({ operations: [operation], later: true });

/** One route; the table of them makes both the dispatch and the OpenAPI document. */
export interface Route {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/-/`; `{name}` is one segment, `{name...}` the rest of the path. */
  readonly path: string;
  /** Name of the operation, in telemetry and in the document. */
  readonly id: string;
  readonly summary: string;
  readonly access: RouteAccess;
  /** It tells how the servers are: where the log is silent, it is answered with what this one knows, at the level `eventual`. */
  readonly whenSilent?: true;
  readonly query: z.ZodType;
  readonly body: z.ZodType | Opaque;
  /** A media type of the body beside application/json, for the document. */
  readonly bodyType?: string;
  readonly answer: { readonly status: number; readonly body: z.ZodType | Opaque };
  readonly run: (call: RestCall<never, never>) => void | Promise<void>;
}

/** Ties the types of query and body to the handler, and forgets them in the table. */
export function route<Query extends z.ZodType, Body extends z.ZodType | Opaque>(
  definition: Omit<Route, 'query' | 'body' | 'run'> & {
    readonly query: Query;
    readonly body: Body;
    readonly run: (
      call: RestCall<z.output<Query>, Body extends z.ZodType ? z.output<Body> : undefined>,
    ) => void | Promise<void>;
  },
): Route {
  return definition as unknown as Route;
}
