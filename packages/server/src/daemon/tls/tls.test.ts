import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import tls, { type ConnectionOptions } from 'node:tls';
import { connectionOf } from '../../api/http/connection.ts';
import { refuseMalformed } from '../../api/index.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { newAuthority, newPair } from './certificates.fixture.ts';
import { readMaterial, type TlsMaterial } from './material.ts';
import { redirectOf } from './redirect.ts';
import { createSecureServer, type SecureServer } from './server.ts';
import { watchTls } from './watch.ts';

const { clock } = realHost();
const dayMs = 24 * 3600 * 1000;
const authority = newAuthority('an authority');
const devices = newAuthority('an authority of devices');
const pair = newPair(authority, 'server');
const ticketKeys = randomBytes(48);
const material: TlsMaterial = { pairs: [pair], clientAuthority: undefined, minimum: '1.2', ticketKeys };
const camera = newPair(devices, 'camera-7');
const strange = newPair(authority, 'camera-7');

const servers: SecureServer[] = [];
after(() => {
  for (const { server } of servers) server.close();
});

/** A server that answers with what it knows of the connection, as of `nowMs`. */
async function serve(
  given: Partial<TlsMaterial> = {},
  nowMs = () => clock.now(),
): Promise<SecureServer & { port: number }> {
  const made = createSecureServer({ keepAliveTimeout: 60_000 }, { ...material, ...given }, refuseMalformed);
  made.server.on('request', (request, response) => {
    response.end(JSON.stringify(connectionOf(request, undefined, nowMs())));
  });
  await new Promise<void>((resolve) => made.server.listen(0, '127.0.0.1', resolve));
  servers.push(made);
  return { ...made, port: (made.server.address() as AddressInfo).port };
}

interface Got {
  readonly failure: string | undefined;
  readonly text: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
  /** Common name of what the server showed. */
  readonly shown: string | undefined;
  readonly known: {
    readonly tls?: string;
    readonly secure?: boolean;
    readonly device?: { id?: string; fingerprint: string };
  };
}

/** One request on a connection of its own. */
function ask(
  port: number,
  options: ConnectionOptions = {},
  bytes = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
): Promise<Got> {
  return new Promise((resolve) => {
    let [text, session, failure, resumed, shown]: [
      string,
      Buffer | undefined,
      string | undefined,
      boolean,
      string | undefined,
    ] = ['', undefined, undefined, false, undefined];
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      ca: authority.certificate,
      checkServerIdentity: () => undefined,
      ...options,
    });
    socket.on('session', (made: Buffer) => (session = made));
    socket.on('data', (piece) => (text += piece));
    socket.on('error', (cause: NodeJS.ErrnoException) => (failure = cause.code ?? cause.message));
    socket.on('secureConnect', () => {
      resumed = socket.isSessionReused();
      shown = (socket.getPeerCertificate() as { subject?: { CN?: string } }).subject?.CN;
      socket.write(bytes);
    });
    socket.on('close', () => {
      const body = text.split('\r\n\r\n')[1] ?? '';
      resolve({ failure, text, resumed, session, shown, known: body.startsWith('{') ? JSON.parse(body) : {} });
    });
  });
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

describe('a server with TLS', () => {
  it('speaks 1.2 and 1.3, or 1.3 alone, and nothing older', async () => {
    const { port } = await serve();
    for (const version of versions) {
      const { known } = await ask(port, { minVersion: version, maxVersion: version });
      assert.deepEqual([known.tls, known.secure], [version, true]);
    }
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.match((await ask(port, old)).failure ?? '', /PROTOCOL_VERSION/);
    const { port: newest } = await serve({ minimum: '1.3' });
    assert.match((await ask(newest, { maxVersion: 'TLSv1.2' })).failure ?? '', /PROTOCOL_VERSION/);
    assert.equal((await ask(newest)).known.tls, 'TLSv1.3');
  });

  it('agrees on no cipher without forward secrecy and authentication', async () => {
    const { port } = await serve();
    for (const ciphers of [
      'AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-SHA',
      'ECDHE-ECDSA-AES256-SHA384',
      'DHE-RSA-AES128-GCM-SHA256',
    ])
      assert.match(
        (await ask(port, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}@SECLEVEL=0` })).failure ?? '',
        /HANDSHAKE|NO_CIPHERS/,
        ciphers,
      );
  });

  it('tells who speaks plain HTTP to it, and breaks what is neither', async () => {
    const { port } = await serve();
    const say = (bytes: string) =>
      new Promise<string>((resolve) => {
        let text = '';
        const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
        socket.on('data', (piece) => (text += piece.toString('latin1'))).on('error', () => {});
        socket.on('close', () => resolve(text));
      });
    const told = await say('GET /-/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(told, /^HTTP\/1\.1 400 [\s\S]*with https:\/\/ instead of http:\/\//);
    assert.equal(Number(/content-length: (\d+)/i.exec(told)?.[1]), told.split('\r\n\r\n')[1]?.length);
    assert.doesNotMatch(await say('\x16\x03\x01\x00\x05hello hello hello'), /HTTP/);
    assert.match((await ask(port, {}, 'GET / HTTP/1.1\r\nX-Amz-Date : 1\r\n\r\n')).text, /^HTTP\/1\.1 400 /);
  });

  it('takes a session up again on another thread with the same keys, and not with others', async () => {
    const [one, two, other] = [await serve(), await serve(), await serve({ ticketKeys: randomBytes(48) })];
    for (const version of versions) {
      const options = { minVersion: version, maxVersion: version };
      const { session, resumed } = await ask(one.port, options);
      assert.equal(resumed, false);
      assert.equal((await ask(two.port, { ...options, session })).resumed, true, version);
      assert.equal((await ask(other.port, { ...options, session })).resumed, false, version);
    }
  });

  it('shows the certificate of the name that is asked for, else the first', async () => {
    const alternative = { machine: 'files.example' };
    const [files, sites] = [
      newPair(authority, 'files', { alternative }),
      newPair(authority, 'sites', { alternative: { machine: '*.site.example' } }),
    ];
    const { port, renew } = await serve({ pairs: [pair, files, sites], clientAuthority: devices.certificate });
    const shown = async (servername: string, more = {}) => (await ask(port, { servername, ...more })).shown;
    assert.equal(await shown('files.example'), 'files');
    assert.equal(await shown('FILES.example'), 'files');
    assert.equal(await shown('a.site.example'), 'sites');
    for (const name of ['site.example', 'a.b.site.example', 'elsewhere.example', ''])
      assert.equal(await shown(name), 'server', name);
    // Devices are known under every name, and the least version holds there, too.
    const known = await ask(port, { servername: 'files.example', cert: camera.certificate, key: camera.key });
    assert.equal(known.known.device?.id, 'camera-7');
    renew({ ...material, pairs: [pair, newPair(authority, 'files anew', { alternative })], minimum: '1.3' });
    assert.equal(await shown('files.example'), 'files anew');
    assert.equal(await shown('a.site.example'), 'server');
    assert.match(
      (await ask(port, { servername: 'files.example', maxVersion: 'TLSv1.2' })).failure ?? '',
      /PROTOCOL_VERSION/,
    );
  });

  it('changes certificates under load, and loses no request', async () => {
    const { port, renew } = await serve();
    const agent = new (process.getBuiltinModule('node:https').Agent)({ keepAlive: true, maxSockets: 4 });
    const { get } = process.getBuiltinModule('node:https');
    let [answered, over] = [0, false];
    const one = (options: object) =>
      new Promise<void>((resolve, reject) => {
        const common = { host: '127.0.0.1', port, ca: authority.certificate };
        get({ ...common, ...options }, (answer) => answer.resume().on('end', () => resolve(void answered++))).on(
          'error',
          reject,
        );
      });
    const loop = async (options: object) => {
      while (!over) await one(options);
    };
    const load = Promise.all([loop({ agent }), loop({ agent }), loop({ agent: false }), loop({ agent: false })]);
    const shown = new Set<string | undefined>();
    for (let i = 0; i < 20; i++) {
      renew({ ...material, pairs: [newPair(authority, `server ${i}`)], ticketKeys: randomBytes(48) });
      shown.add((await ask(port)).shown);
    }
    over = true;
    await load;
    agent.destroy();
    assert.equal(shown.size, 20);
    assert.ok(answered > 20, `${answered} requests`);
  });
});

describe('the certificate of a device', () => {
  const of = (shown: typeof camera) => ({ cert: shown.certificate, key: shown.key });

  it('is known by name and fingerprint when it is of the authority, and by nothing else', async () => {
    const { port } = await serve({ clientAuthority: devices.certificate });
    const fingerprint = new X509Certificate(camera.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
    for (const maxVersion of versions) {
      assert.deepEqual((await ask(port, { maxVersion, ...of(camera) })).known.device, { id: 'camera-7', fingerprint });
      assert.equal((await ask(port, { maxVersion })).known.device, undefined, 'none is shown');
      for (const shown of [
        strange,
        newPair(devices, 'camera-7', { untilMs: clock.now() - dayMs / 2 }),
        newPair({ ...newAuthority('x'), name: devices.name }, 'camera-7'),
      ]) {
        const got = await ask(port, { maxVersion, ...of(shown) });
        assert.deepEqual([got.known.device, got.known.secure], [undefined, true]);
      }
    }
    const { port: without } = await serve();
    assert.equal((await ask(without, of(camera))).known.device, undefined);
  });

  it('of a session that is taken up again: stays known while it is valid and its authority is trusted', async () => {
    let nowMs = clock.now();
    const server = await serve({ clientAuthority: devices.certificate }, () => nowMs);
    for (const maxVersion of versions) {
      nowMs = clock.now();
      const { session, known } = await ask(server.port, { maxVersion, ...of(camera) });
      assert.equal(known.device?.id, 'camera-7');
      const again = () => ask(server.port, { maxVersion, session, ...of(camera) });
      const kept = await again();
      assert.deepEqual([kept.resumed, kept.known.device?.id], [true, 'camera-7'], maxVersion);
      nowMs = clock.now() + 31 * dayMs;
      assert.deepEqual([(await again()).known.device], [undefined], `${maxVersion}: it has run out`);
      nowMs = clock.now();
      server.renew({ ...material, clientAuthority: newAuthority('others').certificate });
      const refused = await again();
      assert.deepEqual([refused.resumed, refused.known.device], [false, undefined], maxVersion);
      server.renew({ ...material, clientAuthority: devices.certificate });
      // A session that began without a certificate.
      const { session: bare } = await ask(server.port, { maxVersion });
      const later = await ask(server.port, { maxVersion, session: bare });
      assert.deepEqual([later.resumed, later.known.device], [true, undefined], maxVersion);
    }
  });
});

describe('the files of TLS', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-tls-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const certificate = file('certificate.pem', pair.certificate);
  const key = file('key.pem', pair.key);
  const files = { pairs: [{ certificate, key }], clientAuthority: undefined, minimum: '1.2' } as const;

  it('are refused when they are not what they should be, and it is said what to do', async () => {
    const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n';
    const rows: readonly (readonly [Partial<(typeof files.pairs)[number]>, RegExp])[] = [
      [{ certificate: '/none/such' }, /cannot be read: ENOENT.*Name a file/],
      [{ key: '/none/such' }, /cannot be read: ENOENT.*Name a file/],
      [{ certificate: key }, /no certificate in PEM.*convert it/],
      [
        { certificate: file('bad.pem', pair.certificate.replace(/M[A-Z]{3}/, '!!!!')) },
        /cannot be read.*Make it again/,
      ],
      [{ key: file('other.pem', strange.key) }, /is not the key of the certificate in .*give the one/],
      [{ key: file('encrypted.pem', encrypted) }, /it is encrypted\. Write it without a passphrase/],
      [{ key: certificate }, /must be a private key in PEM/],
      [{ certificate: file('swapped.pem', authority.certificate + pair.certificate) }, /comes first in its file/],
      [{ certificate: file('long.pem', 'x'.repeat(limits.tlsFileBytes + 1)) }, /is longer than/],
    ];
    for (const [change, message] of rows)
      await assert.rejects(readMaterial({ ...files, pairs: [{ certificate, key, ...change }] }, ticketKeys), {
        name: 'ConfigError',
        message,
      });
    const leaf = readMaterial({ ...files, clientAuthority: certificate }, ticketKeys);
    await assert.rejects(leaf, /no authority's \(CN=server\): give the authority/);
    assert.deepEqual(await readMaterial(files, ticketKeys), material);
  });

  it('are read anew; bad ones change nothing, and are told once and for as long as they are there', async () => {
    const host = manualHost(1, clock.now());
    const [logged, installed]: [string[], TlsMaterial[]] = [[], []];
    const write = (level: string) => (event: string, fields?: Readonly<Record<string, unknown>>) =>
      void logged.push(`${level} ${event} ${JSON.stringify(fields ?? {})}`);
    const log = { info: write('info'), warn: write('warn'), error: write('error') };
    let failing = false;
    const install = async (next: TlsMaterial) => {
      if (failing) throw new Error('a thread does not answer');
      installed.push(next);
    };
    const watch = await watchTls({ files, host, log, install });
    watch.start();
    const turn = async () => {
      host.advance(limits.tlsReloadMs);
      await watch.reload();
    };
    await turn();
    assert.deepEqual([logged, installed, watch.texts()], [[], [], []]);

    const next = newPair(authority, 'server anew');
    file('certificate.pem', next.certificate);
    for (let i = 0; i < 3; i++) await turn();
    assert.equal(installed.length, 0, 'the certificate is there, and its key is not yet');
    assert.match(watch.texts().join(), /^new certificates are not served.*is not the key of the certificate/);
    assert.equal(logged.length, 1);
    file('key.pem', next.key);
    await turn();
    assert.deepEqual([installed.map(({ pairs }) => pairs), watch.texts()], [[[next]], []]);
    assert.match(logged.splice(0).at(-1) ?? '', /^info new certificates are served/);

    const expired = newPair(authority, 'late', { untilMs: host.clock.now() - 1000 });
    file('certificate.pem', expired.certificate);
    file('key.pem', expired.key);
    await turn();
    assert.equal(installed.length, 1);
    assert.match(watch.texts().join(), /which is not now/);
    file('certificate.pem', next.certificate);
    file('key.pem', next.key);
    await turn();
    assert.deepEqual([installed.length, watch.texts()], [1, []], 'what is served is there again');

    // What cannot be given to the threads is given to them at the next look.
    failing = true;
    file('certificate.pem', pair.certificate);
    file('key.pem', pair.key);
    await turn();
    assert.match(logged.at(-1) ?? '', /^error certificates could not be read anew/);
    failing = false;
    await turn();
    assert.deepEqual(installed.at(-1)?.pairs, [pair]);

    logged.length = 0;
    host.advance(20 * dayMs);
    await turn();
    assert.match(watch.texts().join(), /for 127\.0\.0\.1 expires in 9 days \(\d{4}-\d\d-\d\d\): put another one/);
    assert.equal(logged.filter((line) => /^warn .*expires in/.test(line)).length, 1);
    host.advance(11 * dayMs);
    await turn();
    assert.match(watch.texts().join(), /HAS EXPIRED/);
    // The keys of tickets are new each time that enough time has gone by.
    const drawn = installed.map((one) => Buffer.from(one.ticketKeys).toString('hex'));
    assert.ok(new Set(drawn).size >= 3, `${drawn}`);
    watch.stop();
  });
});

it('plain HTTP beside HTTPS sends on who only reads, to the same host and path', () => {
  const to = (method: string, url: string, host: string | undefined, more = {}) =>
    redirectOf({ method, url, headers: { host, ...more } }, 9443);
  assert.equal(to('GET', '/a/b?c=d', 's3.example:80'), 'https://s3.example:9443/a/b?c=d');
  assert.equal(to('HEAD', '/', '[::1]:80'), 'https://[::1]:9443/');
  assert.equal(redirectOf({ method: 'GET', url: '/', headers: { host: 's3.example' } }, 443), 'https://s3.example/');
  const refused: readonly (readonly [string, string, string | undefined, object?])[] = [
    ['PUT', '/a', 's3.example'],
    ['POST', '/', 's3.example'],
    ['GET', '/a', 's3.example', { authorization: 'AWS4-HMAC-SHA256 x' }],
    ['GET', '/a?X-Amz-Signature=x', 's3.example'],
    ['GET', '/a?b&x-amz-credential=x', 's3.example'],
    ['GET', '//elsewhere.example/', 's3.example'],
    ['GET', 'http://elsewhere.example/', 's3.example'],
    ['GET', '/', undefined],
    ['GET', '/', 'user@elsewhere.example'],
    ['GET', '/', 's3.example/elsewhere'],
    ['GET', '/', 'a b'],
  ];
  for (const [method, url, host, more] of refused)
    assert.equal(to(method, url, host, more), undefined, `${method} ${url} ${host}`);
});
