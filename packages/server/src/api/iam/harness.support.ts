import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Administration, createAuthenticator, Directory, KeyUses, SessionTokens } from '../../access/index.ts';
import { realHost } from '../../host/index.ts';
import { patienceMs } from '../../host/patience.support.ts';
import { openSecret, sealSecret } from '../../keys/index.ts';
import { limits } from '../../limits.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { createS3Handler } from '../s3/handler.ts';
import { type Answer, answerOf } from '../s3/harness.support.ts';
import { openMemoryStore } from '../s3/store.support.ts';
import { createIdentityHandler, isIdentityRequest } from './handler.ts';

/*
 * A real http server with S3, IAM and STS over the whole store in memory, and a client that signs by itself.
 */

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export type Form = Readonly<Record<string, string>>;

export interface IdentityHarness {
  readonly root: Credentials;
  readonly administration: Administration;
  readonly objects: ObjectService;
  readonly tokens: SessionTokens;
  /** Time that the server's clock is ahead by, ms. */
  ahead: number;
  /** What failed without being a refusal. */
  readonly unexpected: unknown[];
  iam(as: Credentials, action: string, form?: Form): Promise<Answer>;
  sts(as: Credentials, action: string, form?: Form): Promise<Answer>;
  s3(as: Credentials, method: string, path: string, body?: string, headers?: Form): Promise<Answer>;
  /** Connections that the server has open. */
  connections(): Promise<number>;
  /** Sends bytes as they are; all that came back once the server closed the connection, or `enough` came. */
  raw(bytes: string, enough?: RegExp): Promise<string>;
  /** Request line and headers of a request to S3 that root has signed. */
  signedHead(method: string, path: string): string;
  readonly port: number;
  /** Anything, as it is. */
  send(method: string, path: string, headers: Form, body: string): Promise<Answer>;
  /** Headers of a signed request. */
  sign(
    as: Credentials,
    service: string,
    method: string,
    path: string,
    body: string,
    more?: Form,
  ): Record<string, string>;
  /** Writes which keys were used. */
  writeUses(): Promise<void>;
  /** A user with a key, and this policy inline. */
  user(name: string, policy?: object, as?: Credentials): Promise<Credentials>;
  /** A user of another account who may do everything in it. */
  tenant(name: string): Promise<Credentials>;
  close(): Promise<void>;
}

const region = 'us-east-1';
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export const policy = (
  effect: 'Allow' | 'Deny',
  action: string | string[],
  resource: string | string[] = '*',
  more = {},
) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: effect, Action: action, Resource: resource, ...more }],
});

export const trust = (principal: object | string, more = {}) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', ...more }],
});

/** Asks IAM, and fails unless it answers what was asked for. `as`: root when left out. */
export async function done(api: IdentityHarness, action: string, form: Form = {}, as = api.root): Promise<Answer> {
  const answer = await api.iam(as, action, form);
  assert.equal(answer.status, 200, `${action}: ${answer.text}`);
  assert.match(answer.text, new RegExp(`^<${action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`));
  assert.ok(answer.xml('RequestId'));
  return answer;
}

/** Asks IAM, and fails unless it refuses with this code, in the form that IAM has for it. */
export async function refusal(
  api: IdentityHarness,
  [code, status]: readonly [code: string, status: number],
  action: string,
  form: Form = {},
  as = api.root,
): Promise<void> {
  const answer = await api.iam(as, action, form);
  assert.deepEqual([answer.xml('Code'), answer.status], [code, status], `${action}: ${answer.text}`);
  assert.match(answer.text, /^<ErrorResponse xmlns=/);
  assert.equal(answer.xml('Type'), 'Sender');
  assert.ok((answer.xml('Message') ?? '').length > 10);
}

/** The credentials in an answer of STS. */
export function credentialsOf(answer: Answer): Credentials {
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
    answer.xml,
  );
  if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error(answer.text);
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

export async function startIdentityHarness(): Promise<IdentityHarness> {
  const host = realHost();
  const store = await openMemoryStore();
  const { metadata, keyring } = store;
  const { reader } = metadata;
  const root: Credentials = { accessKeyId: 'ROOTKEY', secretAccessKey: 'root-secret-key' };
  const rootRecord: AccessKeyRecord = {
    id: root.accessKeyId,
    sealedSecret: await sealSecret(keyring, root.accessKeyId, root.secretAccessKey),
    owner: 'root',
    name: 'root',
    createdMs: 0,
    role: 'root',
    buckets: [],
  };
  const directory = new Directory(reader.identities);
  const tokens = new SessionTokens(keyring);
  const administration = new Administration({
    reader,
    proposer: metadata,
    sealSecret: (id, secret) => sealSecret(keyring, id, secret),
    entropy: host.entropy,
  });
  const clock = { now: () => host.clock.now() + harness.ahead, monotonic: () => host.clock.monotonic() };
  const keyUses = new KeyUses({ reader, proposer: metadata, clock, timers: host.timers, onFailure: () => undefined });
  const authenticator = createAuthenticator({
    used: (id, service, of) => keyUses.used(id, service, of),
    lookup: (id) => (id === root.accessKeyId ? rootRecord : reader.accessKey(id)),
    openSecret: (record) => openSecret(keyring, record.id, record.sealedSecret),
    clock,
    region,
    accounts: { directory, tokens },
  });
  let requests = 0;
  const requestId = () => `request-${++requests}`;
  const unexpected: unknown[] = [];
  const exchange = { clock, timers: host.timers, ended: () => undefined };
  const s3Handler = createS3Handler({
    objects: store.objects,
    authenticator,
    clock,
    timers: host.timers,
    requestId,
    region,
    baseDomains: ['s3.test'],
    log: { error: (event, fields) => void unexpected.push({ event, fields }) },
  });
  const iamHandler = createIdentityHandler({
    authenticator,
    administration,
    directory,
    tokens,
    clock,
    region,
    position: store.position,
    exchange,
    requestId,
    unexpected: (error) => void unexpected.push(error),
  });
  const server = http.createServer({ maxHeaderSize: limits.headerBytes, requestTimeout: 0 }, (request, response) =>
    isIdentityRequest(request, ['s3.test']) ? iamHandler(request, response) : s3Handler(request, response),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const name = `127.0.0.1:${port}`;

  const sign: IdentityHarness['sign'] = (as, service, method, path, body, more = {}) => {
    const now = new Date(clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const scope = `${now.slice(0, 8)}/${region}/${service}/aws4_request`;
    const all: Record<string, string> = { host: name, 'x-amz-date': now, ...more };
    if (service === 's3') all['x-amz-content-sha256'] = sha256(body);
    if (as.sessionToken !== undefined) all['x-amz-security-token'] = as.sessionToken;
    const names = Object.keys(all).sort();
    const [file = '', query = ''] = path.split('?');
    const canonical = [
      method,
      file,
      query,
      ...names.map((one) => `${one}:${all[one]}`),
      '',
      names.join(';'),
      sha256(body),
    ];
    const key = [region, service, 'aws4_request'].reduce<Buffer>(
      hmac,
      hmac(`AWS4${as.secretAccessKey}`, now.slice(0, 8)),
    );
    const signature = hmac(key, ['AWS4-HMAC-SHA256', now, scope, sha256(canonical.join('\n'))].join('\n')).toString(
      'hex',
    );
    const credential = `Credential=${as.accessKeyId}/${scope}`;
    return {
      ...all,
      authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    };
  };

  const send: IdentityHarness['send'] = (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const wire = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
      const request = http.request(
        { host: '127.0.0.1', port, method, path, headers: wire, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve(answerOf(response.statusCode as number, response.headers, Buffer.concat(chunks))),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });

  const call =
    (service: 'iam' | 'sts', version: string) =>
    (as: Credentials, action: string, form: Form = {}) => {
      const body = new URLSearchParams({ Action: action, Version: version, ...form }).toString();
      const type = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
      return send('POST', '/', sign(as, service, 'POST', '/', body, type), body);
    };

  const harness: IdentityHarness = {
    root,
    administration,
    objects: store.objects,
    tokens,
    ahead: 0,
    unexpected,
    sign,
    send,
    port,
    raw: (bytes, enough) =>
      new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        let text = '';
        const cancel = host.timers.after(patienceMs, () => socket.destroy());
        socket
          .on('error', () => undefined)
          .on('data', (piece) => {
            text += piece.toString('latin1');
            if (enough?.test(text)) socket.destroy();
          });
        socket.on('close', () => {
          cancel();
          resolve(text);
        });
        socket.write(bytes);
      }),
    signedHead: (method, path) =>
      `${method} ${path} HTTP/1.1\r\n${Object.entries(sign(root, 's3', method, path, ''))
        .map(([header, value]) => `${header}: ${value}\r\n`)
        .join('')}`,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    iam: call('iam', '2010-05-08'),
    sts: call('sts', '2011-06-15'),
    s3: (as, method, path, body = '', headers = {}) =>
      send(method, path, sign(as, 's3', method, path, body, headers), body),
    async user(userName, document, as = root) {
      await harness.iam(as, 'CreateUser', { UserName: userName });
      if (document)
        await harness.iam(as, 'PutUserPolicy', {
          UserName: userName,
          PolicyName: 'own',
          PolicyDocument: JSON.stringify(document),
        });
      return credentialsOf(await harness.iam(as, 'CreateAccessKey', { UserName: userName }));
    },
    async tenant(tenantName) {
      const { id } = await administration.createAccount(tenantName);
      const attached = ['arn:aws:iam::aws:policy/AdministratorAccess'];
      const about = { path: '/', tags: [], inline: [], groups: [], boundary: undefined, email: '' };
      await administration.create('user', { account: id, name: 'admin', attached, ...about });
      const made = await administration.createKey(id, 'admin');
      return { accessKeyId: made.record.id, secretAccessKey: made.secretAccessKey };
    },
    writeUses: () => keyUses.write(),
    async close() {
      await keyUses.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await store.close();
    },
  };
  return harness;
}
