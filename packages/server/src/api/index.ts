export type { Freshness, Scope } from './http/consistency.ts';
export { createCors } from './http/cors.ts';
export { refuseMalformed } from './http/malformed.ts';
export { breakStalled } from './http/stalled.ts';
export { createRestHandler } from './rest/deferred.ts';
export type { RestOptions } from './rest/handler.ts';
export type { KeyAdmin } from './rest/keyadmin.ts';
export { createS3Handler, type S3Log, type S3Options } from './s3/handler.ts';
export type { S3Operation } from './s3/names.ts';
