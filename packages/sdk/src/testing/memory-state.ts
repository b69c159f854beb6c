/* The state of a store in memory: what it keeps, and the rules for versions. */
export interface StoredVersion {
  readonly versionId: string;
  readonly marker: boolean;
  bytes: Uint8Array<ArrayBuffer>;
  etag: string;
  modifiedAt: Date;
  headers: Record<string, string>;
  tags: Record<string, string>;
  readonly guk: string;
}

export interface StoredBucket {
  readonly name: string;
  readonly createdAt: Date;
  settings: {
    versioning?: string;
    tags?: Record<string, string>;
    consistency?: string;
    redundancy?: { copies: number } | { data: number; parity: number } | null;
  };
  /** Newest first. */
  readonly objects: Map<string, StoredVersion[]>;
}

export interface StoredUpload {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly tags: Record<string, string>;
  readonly parts: Map<number, { bytes: Uint8Array<ArrayBuffer>; etag: string }>;
}

export interface StoreRequest {
  readonly method: string;
  readonly path: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface MemoryStoreOptions {
  /** Hex digest that ETags are made of. */
  readonly md5: (bytes: Uint8Array) => string;
  readonly now?: () => number;
  readonly accessKeyId?: string;
}

export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(`refused: ${code}`);
    this.status = status;
    this.code = code;
  }
}

export const json = (value: unknown, status = 200) =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } });
export const nothing = (headers: Record<string, string> = {}) => new Response(null, { status: 204, headers });

export function join(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

export class MemoryState {
  readonly buckets = new Map<string, StoredBucket>();
  readonly uploads = new Map<string, StoredUpload>();
  readonly keys = new Map<string, Record<string, unknown>>();
  pageSize = 1000;
  scrubbing: 'idle' | 'running' = 'idle';
  readonly options: MemoryStoreOptions;
  #sequence = 0;

  constructor(options: MemoryStoreOptions) {
    this.options = options;
  }

  /** A number that was not given before. */
  next(): number {
    return ++this.#sequence;
  }

  now(): number {
    return this.options.now?.() ?? 1_700_000_000_000;
  }

  bucket(name: string): StoredBucket {
    const bucket = this.buckets.get(name);
    if (!bucket) throw new Refusal(404, 'NoSuchBucket');
    return bucket;
  }

  version(bucket: string, key: string, versionId?: string | null): StoredVersion {
    const versions = this.bucket(bucket).objects.get(key) ?? [];
    const found = versionId ? versions.find((one) => one.versionId === versionId) : versions[0];
    if (!found || found.marker) throw new Refusal(404, versionId ? 'NoSuchVersion' : 'NoSuchKey');
    return found;
  }

  /** The bytes of the newest version. */
  bytes(bucket: string, key: string): Uint8Array | undefined {
    return this.buckets
      .get(bucket)
      ?.objects.get(key)
      ?.find((one) => !one.marker)?.bytes;
  }

  /** Makes `bytes` the newest version. */
  store(bucketName: string, key: string, bytes: Uint8Array, rest: Partial<StoredVersion> = {}): StoredVersion {
    const bucket = this.bucket(bucketName);
    const old = bucket.objects.get(key) ?? [];
    const versioned = bucket.settings.versioning === 'enabled';
    const version: StoredVersion = {
      versionId: versioned ? `v${this.next()}` : 'null',
      marker: false,
      bytes: new Uint8Array(bytes),
      etag: this.options.md5(bytes),
      modifiedAt: new Date(this.now()),
      headers: {},
      tags: {},
      guk: old[0]?.guk ?? `guk${this.next()}`,
      ...rest,
    };
    bucket.objects.set(
      key,
      versioned ? [version, ...old] : [version, ...old.filter((one) => one.versionId !== 'null')],
    );
    return version;
  }

  guard(request: StoreRequest, bucket: string, key: string): void {
    const newest = this.bucket(bucket).objects.get(key)?.[0];
    const current = newest?.marker ? undefined : newest;
    const match = request.headers.get('if-match')?.replaceAll('"', '');
    if (match && current?.etag !== match) throw new Refusal(412, 'PreconditionFailed');
    if (request.headers.get('if-none-match') === '*' && current) throw new Refusal(412, 'PreconditionFailed');
  }

  remove(
    bucketName: string,
    key: string,
    versionId: string | null,
  ): { versionId: string | undefined; marker: boolean } {
    const bucket = this.bucket(bucketName);
    const versions = bucket.objects.get(key) ?? [];
    if (versionId === null && bucket.settings.versioning === 'enabled') {
      const { versionId: id } = this.store(bucketName, key, new Uint8Array(0), { marker: true });
      return { versionId: id, marker: true };
    }
    const gone = versions.find((one) => one.versionId === (versionId ?? 'null'));
    const left = versions.filter((one) => one !== gone);
    if (left.length > 0) bucket.objects.set(key, left);
    else bucket.objects.delete(key);
    return { versionId: versionId ?? undefined, marker: gone?.marker ?? false };
  }

  upload(id: string): StoredUpload {
    const upload = this.uploads.get(id);
    if (!upload) throw new Refusal(404, 'NoSuchUpload');
    return upload;
  }
}
