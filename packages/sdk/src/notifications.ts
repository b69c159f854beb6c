/** Where event notifications go, as an operator says it. `url` and `headers` are kept sealed and never answered. */
export interface NotificationTarget {
  /** `s3`: a store that buckets are replicated to. */
  readonly kind: 'webhook' | 'nats' | 's3';
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of NATS. */
  readonly subject?: string;
  readonly token?: string;
  /** It also gets what buckets send to EventBridge. */
  readonly eventBridge: boolean;
  /** Of a store. */
  readonly keys?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly region?: string };
  /** Of a store: accounts whose buckets may be replicated to it, beside the first one. */
  readonly accounts?: readonly string[];
}
