import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { after, beforeEach } from 'node:test';
import tls from 'node:tls';
import { type Authenticator, createAuthenticator } from '../../access/index.ts';
import { realHost } from '../../host/index.ts';
import { patienceMs } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { refuseMalformed } from '../http/malformed.ts';
import { breakStalled } from '../http/stalled.ts';
import { createS3Handler } from './handler.ts';
import { type FakeObjects, fakeObjects } from './objects.support.ts';
import type { S3Options } from './options.ts';

/*
 * A real http server on the loopback with the S3 handler in it, and a client that signs. The client is written apart from the verifier and shares
 * nothing with it.
 */

export const region = 'us-east-1';
/** Of every key. */
export const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as text. */
  readonly text: string;
  /** Content of the first element of this name; undefined when there is none. */
  xml(name: string): string | undefined;
  /** Contents of all elements of this name. */
  all(name: string): string[];
  /** Error code of the answer. */
  readonly code: string | undefined;
}

export interface Send {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** `scoped` may do everything, in the bucket `scoped` only; `foreign` is the root of another account. */
  readonly as?: 'anonymous' | 'presigned' | 'scoped' | 'foreign' | AccessKeyRecord['role'];
  /** Raw path instead of the encoded one. */
  readonly rawPath?: string;
  /** Sends headers only, and the body when the server says 100. */
  readonly expect?: boolean;
  readonly agent?: http.Agent;
}

export interface Telemetry {
  readonly operation: string;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface Harness {
  readonly port: number;
  readonly host: string;
  readonly telemetry: Telemetry[];
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> | undefined }[];
  send(method: string, path: string, options?: Send): Promise<Answer>;
  /** Request line and headers of a signed request, for connections made by hand. */
  signedHead(method: string, path: string, options?: Send): string;
  /** Writes bytes to a fresh connection; resolves with all that came back once the server closed it, or `enough` came. */
  raw(bytes: string | Buffer, enough?: RegExp): Promise<string>;
  /** Connections that the server has open. */
  connections(): number;
  /** Connections that it ever had. */
  accepted(): number;
  close(): Promise<void>;
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
/** Text is hashed as the bytes that go over the wire. */
const sha256 = (data: string | Buffer) =>
  createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex');
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const plainByte = /[A-Za-z0-9\-._~/]/;
const encodeBytes = (bytes: Buffer) =>
  [...bytes]
    .map((byte) => String.fromCharCode(byte))
    .map((c) => (plainByte.test(c) ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`))
    .join('');
/** As signatures want a path: decoded once and encoded again, byte by byte. */
const canonicalPath = (raw: string) =>
  raw.replace(/(?:%[0-9a-f]{2})+/gi, (run) => encodeBytes(Buffer.from(run.replaceAll('%', ''), 'hex')));

export const encodePath = (path: string) => path.split('/').map(encode).join('/');

export function answerOf(status: number, headers: http.IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString('utf8');
  const all = (name: string) =>
    [...text.matchAll(new RegExp(`<${name}(?: [^>]*)?(?:/>|>([\\s\\S]*?)</${name}>)`, 'g'))].map(
      (found) => found[1] ?? '',
    );
  const xml = (name: string) => all(name)[0];
  return { status, headers, body, text, all, xml, code: text.includes('<Error>') ? xml('Code') : undefined };
}

export async function startHarness(
  objects: ObjectService,
  {
    stalledMs,
    beside,
    secure,
    ...change
  }: Partial<S3Options> & {
    readonly stalledMs?: number;
    /** Speaks HTTPS: how its server is made, and the authority of its certificate. */
    readonly secure?: { readonly make: (options: http.ServerOptions) => https.Server; readonly ca: string };
    /** What answers paths below `/-/`. */
    readonly beside?: (authenticator: Authenticator) => http.RequestListener;
  } = {},
): Promise<Harness> {
  const host = realHost();
  const telemetry: Telemetry[] = [];
  const logged: Harness['logged'] = [];
  const keys = new Map(
    (['root', 'readwrite', 'readonly', 'scoped', 'foreign'] as const).map((name): [string, AccessKeyRecord] => {
      const role = name === 'scoped' ? 'readwrite' : name === 'foreign' ? 'root' : name;
      const owner = name === 'foreign' ? '123456789012' : 'owner';
      const buckets = name === 'scoped' ? ['scoped'] : [];
      const id = `key-${name}`;
      return [id, { id, sealedSecret: Buffer.alloc(0), owner, name, createdMs: 0, role, buckets }];
    }),
  );
  let requests = 0;
  const authenticator = createAuthenticator({
    lookup: (id) => keys.get(id),
    openSecret: () => Promise.resolve(secret),
    clock: host.clock,
    region,
  });
  const s3 = createS3Handler({
    objects,
    authenticator,
    clock: host.clock,
    timers: host.timers,
    requestId: () => `request-${++requests}`,
    region,
    baseDomains: ['s3.test'],
    log: {
      error: (event, fields) => void logged.push({ event, fields }),
    },
    telemetry: (operation, status, _seconds, bytesIn, bytesOut) =>
      void telemetry.push({ operation, status, bytesIn, bytesOut }),
    ...change,
  });
  const own = beside?.(authenticator);
  const handler: http.RequestListener = (request, response) =>
    own && request.url?.startsWith('/-/') ? own(request, response) : s3(request, response);
  const serverOptions = { maxHeaderSize: limits.headerBytes, requestTimeout: 0 };
  const server = secure?.make(serverOptions) ?? http.createServer(serverOptions).on('clientError', refuseMalformed);
  const sockets = new Set<net.Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted++;
    sockets.add(socket.once('close', () => sockets.delete(socket)));
  });
  server.on('request', handler).on('checkContinue', handler);
  if (stalledMs !== undefined) breakStalled(server as http.Server, stalledMs);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const name = `127.0.0.1:${port}`;

  const signed = (
    method: string,
    path: string,
    { query = {}, headers = {}, body = '', as = 'root', rawPath }: Send,
  ) => {
    const url = rawPath ?? encodePath(path);
    const lower = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
    const queryText = (pairs: Record<string, string>) =>
      Object.entries(pairs)
        .map(([key, value]) => [encode(key), encode(value)] as const)
        .sort()
        .map((pair) => pair.join('='))
        .join('&');
    if (as === 'anonymous') {
      const text = queryText(query);
      return { target: text === '' ? url : `${url}?${text}`, headers: { host: name, ...lower } };
    }
    const now = new Date(host.clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const scope = `${now.slice(0, 8)}/${region}/s3/aws4_request`;
    const key = [region, 's3', 'aws4_request'].reduce<Buffer>(hmac, hmac(`AWS4${secret}`, now.slice(0, 8)));
    const sign = (all: Record<string, string>, pairs: Record<string, string>, hash: string) => {
      const names = Object.keys(all).sort();
      const canonical = [
        method,
        canonicalPath(url),
        queryText(pairs),
        ...names.map((n) => `${n}:${all[n]!.trim()}`),
        '',
        names.join(';'),
        hash,
      ].join('\n');
      return {
        names: names.join(';'),
        signature: hmac(key, ['AWS4-HMAC-SHA256', now, scope, sha256(canonical)].join('\n')).toString('hex'),
      };
    };
    if (as === 'presigned') {
      const all = { host: name, ...lower };
      const pairs: Record<string, string> = {
        ...query,
        'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
        'X-Amz-Credential': `key-root/${scope}`,
        'X-Amz-Date': now,
        'X-Amz-Expires': '60',
        'X-Amz-SignedHeaders': Object.keys(all).sort().join(';'),
      };
      pairs['X-Amz-Signature'] = sign(all, pairs, 'UNSIGNED-PAYLOAD').signature;
      return { target: `${url}?${queryText(pairs)}`, headers: all };
    }
    const hash = lower['x-amz-content-sha256'] ?? sha256(Buffer.from(body));
    const all: Record<string, string> = { host: name, 'x-amz-date': now, 'x-amz-content-sha256': hash, ...lower };
    const { names, signature } = sign(all, query, hash);
    const text = queryText(query);
    return {
      target: text === '' ? url : `${url}?${text}`,
      headers: {
        ...all,
        authorization: `AWS4-HMAC-SHA256 Credential=key-${as}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
      },
    };
  };

  return {
    port,
    connections: () => sockets.size,
    accepted: () => accepted,
    host: name,
    telemetry,
    logged,
    signedHead(method, path, options = {}) {
      const { target, headers } = signed(method, path, options);
      return `${method} ${target} HTTP/1.1\r\n${Object.entries(headers)
        .map(([key, value]) => `${key}: ${value}\r\n`)
        .join('')}`;
    },
    send(method, path, options = {}) {
      const { target, headers } = signed(method, path, options);
      const body = Buffer.from(options.body ?? '');
      const wire: Record<string, string> = { ...headers };
      if (
        wire['content-length'] === undefined &&
        wire['transfer-encoding'] === undefined &&
        (body.length > 0 || method === 'PUT' || method === 'POST')
      )
        wire['content-length'] = String(body.length);
      if (options.expect) wire['expect'] = '100-continue';
      return new Promise((resolve, reject) => {
        const request = (secure ? https : http).request(
          {
            host: '127.0.0.1',
            port,
            method,
            path: target,
            headers: wire,
            agent: options.agent ?? false,
            ca: secure?.ca,
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => resolve(answerOf(response.statusCode!, response.headers, Buffer.concat(chunks))));
          },
        );
        request.on('error', reject);
        if (options.expect) {
          request.on('continue', () => request.end(body));
          request.flushHeaders();
        } else request.end(body);
      });
    },
    raw(bytes, enough) {
      return new Promise((resolve) => {
        const to = { port, host: '127.0.0.1' };
        const socket = secure ? tls.connect({ ...to, ca: secure.ca }) : net.connect(to);
        let text = '';
        socket.on('data', (data) => {
          text += data.toString('latin1');
          if (enough?.test(text)) socket.destroy();
        });
        socket.on('error', () => undefined);
        const cancel = host.timers.after(patienceMs, () => socket.destroy());
        socket.on('close', () => {
          cancel();
          resolve(text);
        });
        socket.write(bytes);
      });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** One server over objects in memory for all tests of a file. Before each of them no fault is set and nothing is recorded. */
export async function serveFake(
  prepare: (s3: Harness, fake: FakeObjects) => Promise<unknown> = (s3) => s3.send('PUT', '/bucket'),
  change?: Partial<S3Options>,
): Promise<{ readonly fake: FakeObjects; readonly s3: Harness }> {
  const fake = fakeObjects();
  const s3 = await startHarness(fake.service, change);
  await prepare(s3, fake);
  after(() => s3.close());
  beforeEach(() => {
    for (const name of Object.keys(fake.faults)) delete fake.faults[name as keyof FakeObjects['faults']];
    s3.telemetry.length = 0;
    s3.logged.length = 0;
  });
  return { fake, s3 };
}

/** `/bucket/large`: 8 MiB, more than the sockets hold. */
export const large = Buffer.alloc(8 * 1024 * 1024, '0123456789');
export async function withLarge(s3: Harness): Promise<void> {
  await s3.send('PUT', '/bucket');
  await s3.send('PUT', '/bucket/large', { body: large });
}

/** An answer that has to be good. */
export function ok(answer: Answer): Answer {
  assert.ok(answer.status < 300, answer.text);
  return answer;
}

/** A refusal, with a message that says something. */
export function says(answer: Answer, status: number, code: string, message = /./): void {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.text);
  assert.match(answer.xml('Message') ?? '', message);
}
