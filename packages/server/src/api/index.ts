export { Admission } from './http/admission.ts';
export { TrustedProxies } from './http/connection.ts';
export { Connections } from './http/connections.ts';
export type { Freshness, Scope } from './http/consistency.ts';
export { createCors } from './http/cors.ts';
export { parseDate } from './http/dates.ts';
export { encodeHeader, encodeWords } from './http/header-text.ts';
export { refuseMalformed } from './http/malformed.ts';
export { FairPlaces } from './http/places.ts';
export { Refusals } from './http/refusals.ts';
export { breakStalled } from './http/stalled.ts';
export { createIdentityHandler, isIdentityRequest } from './iam/handler.ts';
export { createRestHandler } from './rest/deferred.ts';
export type { RestOptions } from './rest/handler.ts';
export type { KeyAdmin } from './rest/keyadmin.ts';
export type { AccessDeliveryOptions, AccessTotals } from './s3/access-delivery.ts';
export { AccessLog } from './s3/access-log.ts';
export { lifecycleProposer, type Notifications } from './s3/announce.ts';
export { checksumElements, checksumHeaders, storedChecksumText } from './s3/checksums.ts';
export { type Inventory, inventoriesOf } from './s3/configurations/inventory.ts';
export {
  placeText,
  type Replication,
  type ReplicationRule,
  replicaPlaces,
  replicationOf,
  replicationRule,
} from './s3/configurations/replication.ts';
export { describedHeaders, describedMetadata, describingHeaders } from './s3/description.ts';
export { createS3Handler } from './s3/handler.ts';
export { lastWritten, type Report as InventoryReport, writeInventory } from './s3/inventory/report.ts';
export { defaultKmsOf } from './s3/kms.ts';
export { compiledLifecycle } from './s3/lifecycle.ts';
export { LifecycleLog } from './s3/lifecycle-log.ts';
export type { S3Operation } from './s3/names.ts';
export type { S3Log, S3Options } from './s3/options.ts';
export { type CountedRequest, RequestMetrics } from './s3/request-metrics.ts';
export { childOf, parseXml, textOf, type XmlElement } from './s3/xml/parser.ts';
export { element } from './s3/xml/writer.ts';
