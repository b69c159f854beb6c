/*
 * A load generator whose own cost is small: requests are signed before the clock starts and sent over raw keep-alive sockets.
 * Each connection is a closed loop: one request at a time. Run as a process of its own; prints one line of JSON.
 *
 *   node load.ts '{"endpoint":"http://127.0.0.1:9000","operation":"put","size":4096,"count":10000,"connections":32,"prefix":"p/"}'
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';

/** `deleteMany` deletes a thousand keys at a time, `folders` lists what stands before the next slash. `copy` makes a new version of its key out of the one before, with other metadata; `versioning` turns versioning on. */
export type Operation =
  | 'put'
  | 'get'
  | 'head'
  | 'delete'
  | 'deleteMany'
  | 'list'
  | 'folders'
  | 'range'
  | 'bucket'
  | 'copy'
  | 'versioning';

export interface LoadPlan {
  readonly endpoint: string;
  readonly operation: Operation;
  readonly count: number;
  readonly connections: number;
  /** Bytes of a body (put), of the object (range). */
  readonly size?: number;
  readonly prefix?: string;
  /** Reads cycle over the first `keys` names below the prefix; all `count` of them when absent. */
  readonly keys?: number;
  /** Keys are spread over so many folders below the prefix. */
  readonly folders?: number;
  /** Number of the first key: lets a run go on where another ended. */
  readonly first?: number;
  readonly rangeBytes?: number;
  /** Connections go to these in turn, and name `endpoint` as their host. */
  readonly endpoints?: readonly string[];
  /** Of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly credentials?: { readonly id: string; readonly secret: string };
  /** Lists page after page of a thousand keys, each behind the one before, instead of the first again and again. */
  readonly pages?: boolean;
  /** Goes over the `count` requests again and again for so long. */
  readonly seconds?: number;
  readonly bucket?: string;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failures: number;
}

export const benchKeys = { id: 'BENCHKEY', secret: 'bench-secret-key-0123456789' } as const;
function main(plan: LoadPlan): void {
  const {
    operation,
    count,
    size = 0,
    prefix = 'o/',
    keys = operation === 'deleteMany' ? 1000 * count : count,
    first = 0,
    rangeBytes = 65_536,
  } = plan;
  const {
    endpoints = [plan.endpoint],
    headers: shared = {},
    credentials = benchKeys,
    pages = false,
    folders,
    bucket = 'bench',
  } = plan;
  const url = new URL(plan.endpoint);
  const addresses = endpoints.map((one) => new URL(one));
  const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const signingKey = scope
    .split('/')
    .reduce<Buffer | string>((key, part) => hmac(key, part), `AWS4${credentials.secret}`) as Buffer;

  const request = (
    method: string,
    path: string,
    query: string,
    extra: Readonly<Record<string, string>>,
    length?: number,
  ): Buffer => {
    const headers: Record<string, string> = {
      host: url.host,
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-date': time,
      ...shared,
      ...extra,
    };
    const names = Object.keys(headers).sort();
    const canonical = [
      method,
      path,
      query,
      ...names.map((name) => `${name}:${headers[name]}`),
      '',
      names.join(';'),
      'UNSIGNED-PAYLOAD',
    ].join('\n');
    const digest = createHash('sha256').update(canonical).digest('hex');
    const signature = hmac(signingKey, ['AWS4-HMAC-SHA256', time, scope, digest].join('\n')).toString('hex');
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${credentials.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    if (length !== undefined) headers['content-length'] = String(length);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`${method} ${path}${query && `?${query}`} HTTP/1.1\r\n${lines.join('')}\r\n`);
  };
  const keyOf = (i: number) => {
    const folder = folders === undefined ? '' : `d${String(i % folders).padStart(4, '0')}/`;
    return `${prefix}${folder}${String(first + (i % keys)).padStart(8, '0')}`;
  };
  const keyPath = (i: number) => `/${bucket}/${keyOf(i)}`;
  const make: Readonly<Record<Operation, (i: number) => Buffer>> = {
    put: (i) => request('PUT', keyPath(i), '', {}, size),
    get: (i) => request('GET', keyPath(i), '', {}),
    head: (i) => request('HEAD', keyPath(i), '', {}),
    delete: (i) => request('DELETE', keyPath(i), '', {}),
    deleteMany: (i) => {
      const objects = Array.from({ length: 1000 }, (_, at) => `<Object><Key>${keyOf(i * 1000 + at)}</Key></Object>`);
      const document = Buffer.from(`<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`);
      const digest = createHash('md5').update(document).digest('base64');
      const head = request('POST', `/${bucket}`, 'delete=', { 'content-md5': digest }, document.length);
      return Buffer.concat([head, document]);
    },
    folders: () =>
      request('GET', `/${bucket}`, `delimiter=%2F&list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}`, {}),
    list: (i) => {
      const after = i > 0 ? String(i * 1000 - 1).padStart(8, '0') : '';
      const start = pages ? `&start-after=${encodeURIComponent(prefix + after)}` : '';
      const query = `list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}${start}`;
      return request('GET', `/${bucket}`, query, {});
    },
    range: (i) => {
      const start = Math.floor(((i * 0.618034) % 1) * (size - rangeBytes));
      return request('GET', keyPath(i), '', { range: `bytes=${start}-${start + rangeBytes - 1}` });
    },
    bucket: () => request('PUT', `/${bucket}`, '', {}, 0),
    copy: (i) =>
      request(
        'PUT',
        keyPath(i),
        '',
        { 'x-amz-copy-source': keyPath(i), 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-number': String(i) },
        0,
      ),
    versioning: () => {
      const document = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      const head = request('PUT', `/${bucket}`, 'versioning=', {}, document.length);
      return Buffer.concat([head, Buffer.from(document)]);
    },
  };
  const requests = Array.from({ length: count }, (_, i) => make[operation](i));
  const body = operation === 'put' ? randomBytes(size) : undefined;
  const bodiless = operation === 'head' || operation === 'delete';
  const times: number[] = [];
  let started = 0;
  let finished = 0;
  let failures = 0;
  let received = 0;

  const connection = (_: unknown, number: number) =>
    new Promise<void>((resolve, reject) => {
      const { port, hostname } = addresses[number % addresses.length] as URL;
      const over = { port: Number(port), host: hostname };
      // The certificate is the bench's own.
      const socket =
        url.protocol === 'https:' ? tls.connect({ ...over, rejectUnauthorized: false }) : net.connect(over);
      socket.setNoDelay(true);
      let head: Buffer | undefined;
      let left = 0;
      let begun = 0;
      const next = () => {
        if (plan.seconds === undefined ? started === count : performance.now() > begin + plan.seconds * 1000) {
          socket.end();
          return resolve();
        }
        const message = requests[started++ % count] as Buffer;
        head = Buffer.alloc(0);
        begun = performance.now();
        if (!body) return void socket.write(message);
        // Every body differs, so that no store can keep one for all.
        const own = size > 65_536 ? body : Buffer.from(body);
        if (size >= 8) own.writeDoubleLE(Math.random(), 0);
        socket.cork();
        socket.write(message);
        socket.write(own);
        socket.uncork();
      };
      const done = () => {
        times[finished++] = performance.now() - begun;
        next();
      };
      socket.on(url.protocol === 'https:' ? 'secureConnect' : 'connect', next).on('error', reject);
      socket.on('data', (piece: Buffer) => {
        received += piece.length;
        let rest = piece;
        if (head) {
          const sofar: Buffer = head.length ? Buffer.concat([head, piece]) : piece;
          head = sofar;
          const end = sofar.indexOf('\r\n\r\n');
          if (end < 0) return;
          const text = sofar.toString('latin1', 0, end);
          if (text[9] !== '2') {
            failures++;
            if (failures < 3) process.stderr.write(`${sofar.toString('latin1').slice(0, 600)}\n`);
          }
          left = bodiless ? 0 : Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0);
          rest = sofar.subarray(end + 4);
          head = undefined;
        }
        left -= rest.length;
        if (left <= 0) done();
      });
    });

  const begin = performance.now();
  void Promise.all(Array.from({ length: Math.min(plan.connections, count) }, connection)).then(() => {
    const seconds = (performance.now() - begin) / 1000;
    const sorted = Float64Array.from(times).sort();
    const at = (share: number) =>
      Number((sorted[Math.min(finished - 1, Math.floor(finished * share))] as number).toFixed(3));
    const bytes = operation === 'put' ? finished * size : received;
    const result: LoadResult = {
      perSecond: finished / seconds,
      megabytesPerSecond: bytes / seconds / 1e6,
      p50: at(0.5),
      p99: at(0.99),
      failures,
    };
    console.log(JSON.stringify(result));
  });
}

if (import.meta.main) main(JSON.parse(process.argv[2] as string) as LoadPlan);
