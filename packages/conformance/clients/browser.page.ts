/*
 * What the page does: served to the browser without its types, with `@dsom/sdk` mapped to the built package. Each function answers what it saw.
 */
import { type ClientOptions, DsomClient, DsomError } from '@dsom/sdk';

const bucket = 'browser';
const MiB = 1024 * 1024;

const hex = (bytes: ArrayBuffer) =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => hex(await crypto.subtle.digest('SHA-256', bytes));

/** Bytes that no compression shrinks; a browser gives at most 64 KiB of them at once. */
function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const out: Item[] = [];
  for await (const item of items) out.push(item);
  return out;
}

/** What a call fails with. */
async function failureOf(call: Promise<unknown>) {
  const failure = await call.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(failure instanceof DsomError)) return { code: `no DsomError: ${String(failure)}` };
  const { code, status, retryable, attempts, message } = failure;
  return { code, status, retryable, attempts, message, hasRequestId: Boolean(failure.requestId) };
}

export async function objects(options: ClientOptions) {
  const client = new DsomClient(options);
  await client.buckets.create(bucket, { versioning: 'enabled' });
  const keys = ['plain', 'a/b c', 'ü/€/😀', 'a/../b', "!'()*~", 'q?x=1&y#z', '100%+'];
  const got: [key: string, text: string, name: string | undefined][] = [];
  for (const key of keys) {
    await client.put(bucket, `k/${key}`, key, { contentType: 'text/x', metadata: { name: key }, tags: { a: 'b c' } });
    const object = await client.get(bucket, `k/${key}`);
    got.push([key, await object.text(), object.info.metadata['name']]);
  }
  const info = await client.head(bucket, 'k/plain');
  const listed = await all(client.list(bucket, { prefix: 'k/' }));
  const folded = await all(client.list(bucket, { prefix: 'k/', delimiter: '/', limit: 2 }));
  const tags = await client.tags(bucket, 'k/plain');
  const left = await client.deleteMany(
    bucket,
    keys.map((key) => `k/${key}`),
  );
  const after = await all(client.list(bucket));
  const versions = await all(client.versions(bucket, { prefix: 'k/plain' }));
  return {
    got,
    info: { ...info, modified: undefined },
    listed: listed.map((one) => (one.kind === 'object' ? one.key : '')),
    folded: folded.map((one) => (one.kind === 'prefix' ? one.prefix : one.key)),
    tags,
    left,
    after,
    markers: versions.map((one) => one.kind === 'version' && one.deleteMarker),
  };
}

export async function streams(options: ClientOptions) {
  const client = new DsomClient(options);
  const bytes = randomBytes(3 * MiB);
  await client.put(bucket, 'streamed', bytes);
  const { body } = await client.get(bucket, 'streamed');
  const whole = new Uint8Array(bytes.length);
  let chunks = 0;
  let at = 0;
  for (const reader = body.getReader(); ; chunks++) {
    const { done, value } = await reader.read();
    if (done) break;
    whole.set(value, at);
    at += value.length;
  }
  const part = await client.get(bucket, 'streamed', { range: { start: MiB, end: MiB + 5 } });
  const range = [...(await part.bytes())];
  // The rest is not fetched, and the connection is free again.
  const given = await client.get(bucket, 'streamed');
  await given.body.cancel('enough');
  return {
    same: (await sha256(whole)) === (await sha256(bytes)),
    chunks,
    range,
    expected: [...bytes.subarray(MiB, MiB + 5)],
    bounds: [part.start, part.length, part.info.size],
  };
}

export async function parts(options: ClientOptions) {
  const client = new DsomClient(options);
  const bytes = randomBytes(18 * MiB);
  const file = new File([bytes], 'film.mp4', { type: 'video/mp4' });
  const progress: [loaded: number, total: number | undefined][] = [];
  const written = await client.put(bucket, 'film', file, {
    partSize: 5 * MiB,
    onProgress: ({ loaded, total }) => void progress.push([loaded, total]),
  });
  const back = await client.get(bucket, 'film');
  const same = (await sha256(await back.bytes())) === (await sha256(bytes));
  // fetch itself cannot send a stream over HTTP/1.1; the SDK cuts it.
  const stream = await client.put(bucket, 'stream', file.stream(), { partSize: 5 * MiB });
  const again = await (await client.get(bucket, 'stream')).bytes();
  const controller = new AbortController();
  const aborted = await client
    .put(bucket, 'aborted', file, {
      partSize: 5 * MiB,
      parallel: 1,
      signal: controller.signal,
      onProgress: ({ loaded }) => loaded > 0 && controller.abort(new Error('changed my mind')),
    })
    .catch((cause: unknown) => String(cause));
  return {
    etag: written.etag,
    size: written.size,
    type: back.info.contentType,
    same,
    progress,
    streamEtag: stream.etag,
    streamSame: (await sha256(again)) === (await sha256(bytes)),
    aborted,
    open: (await all(client.uploads(bucket))).length,
  };
}

export async function presigned(options: ClientOptions) {
  const client = new DsomClient(options);
  const put = await fetch(await client.presignPut(bucket, 'by url', { contentType: 'text/x' }), {
    method: 'PUT',
    headers: { 'content-type': 'text/x' },
    body: 'from a page',
  });
  const got = await fetch(await client.presignGet(bucket, 'by url', { contentDisposition: 'attachment' }));
  const refused = await fetch(
    (await client.presignGet(bucket, 'by url')).replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
  );
  return {
    put: [put.status, put.headers.get('etag')],
    got: [got.status, await got.text(), got.headers.get('content-disposition'), got.headers.get('etag')],
    // Without CORS headers on failures the page would only know that "fetch failed".
    refused: [refused.status, /<Code>(\w+)/.exec(await refused.text())?.[1]],
  };
}

export async function errors(options: ClientOptions) {
  const client = new DsomClient(options);
  const wrong = new DsomClient({ ...options, secretAccessKey: 'not the secret' });
  const stranger = new DsomClient({ ...options, accessKeyId: 'NOBODY' });
  const { etag } = await client.put(bucket, 'c', 'one');
  const fast = new DsomClient({ ...options, edges: { now: () => Date.now() + 3_600_000 } });
  return {
    noKey: await failureOf(client.get(bucket, 'missing')),
    noKeyHead: await failureOf(client.head(bucket, 'missing')),
    noBucket: await failureOf(client.buckets.get('no-such-bucket')),
    exists: await failureOf(client.put(bucket, 'c', 'two', { ifAbsent: true })),
    notModified: await failureOf(client.get(bucket, 'c', { ifNoneMatch: etag })),
    signature: await failureOf(all(wrong.list(bucket))),
    keyId: await failureOf(stranger.head(bucket, 'c')),
    // The server's clock is read from its refusal, then the request is repeated.
    wrongClock: await (await fast.get(bucket, 'c')).text(),
  };
}

export async function native(options: ClientOptions) {
  const client = new DsomClient(options);
  const session = client.session();
  await session.append(bucket, 'log', 'one\n');
  await session.append(bucket, 'log', 'two\n', { offset: 4 });
  const patched = await session.patchMetadata(bucket, 'log', { colour: 'grün' });
  const text = await (await session.get(bucket, 'log')).text();
  const found = await client.byGuk(patched.guk as string);
  const { ok, skewMs } = await client.admin.health('ready');
  return {
    text,
    colour: patched.metadata['colour'],
    found: found.key,
    tokens: session.tokens !== '',
    ok,
    clock: Math.abs(skewMs ?? Number.NaN) < 5000,
    buckets: (await all(client.buckets.list())).map(({ name }) => name),
  };
}

/** For a page that the server was not told about. */
export async function refused(options: ClientOptions) {
  const client = new DsomClient({ ...options, attempts: 2, retryBaseMs: 1 });
  return { list: await failureOf(all(client.list(bucket))), put: await failureOf(client.put(bucket, 'evil', 'x')) };
}
