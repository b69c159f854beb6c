import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { newAuthority, newPair } from '../daemon/tls/certificates.fixture.ts';
import { exitCode } from './exit.ts';
import { type Stub, startStub } from './stub.fixture.ts';

/* Endpoints with https: whose certificates are taken, and what is said of those that are not. */

const authority = newAuthority('own authority');
const dayMs = 24 * 3600 * 1000;
let stub: Stub;
const servers: Server[] = [];
before(async () => {
  stub = await startStub();
});
after(async () => {
  for (const server of servers) server.close();
  await stub.close();
});

/** The stub's answers, by way of TLS. */
async function front(pair: { readonly certificate: string; readonly key: string }): Promise<string> {
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    const headers = { ...request.headers, host: new URL(stub.endpoint).host };
    const { request: ask } = process.getBuiltinModule('node:http');
    const onward = ask(`${stub.endpoint}${request.url}`, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('certificates that are not trusted, are for another name or have run out are told apart, each with what to do', async () => {
  const now = Date.now();
  const rows: readonly (readonly [string, string, RegExp, RegExp])[] = [
    [await front(newPair(newAuthority('unknown'), 's')), '', /is not trusted/, /--ca FILE/],
    [
      await front(newPair(authority, 's', { alternative: { machine: 'other.example' } })),
      'own.pem',
      /is for other\.example, not for 127\.0\.0\.1/,
      /subject alternative name/,
    ],
    [
      await front(newPair(authority, 's', { untilMs: now - 1000 })),
      'own.pem',
      /expired on \d{4}-/,
      /Renew the certificate/,
    ],
  ];
  writeFileSync(path.join(stub.folder, 'own.pem'), authority.certificate);
  for (const [endpoint, ca, what, advice] of rows) {
    const options = ['--endpoint', endpoint, ...(ca === '' ? [] : ['--ca', path.join(stub.folder, ca)])];
    const { code, stdout } = await stub.run(['doctor', ...options]);
    assert.deepEqual(
      [code, /✗ tls/.test(stdout), /endpoint {2}/.test(stdout)],
      [exitCode.unreachable, true, false],
      stdout,
    );
    assert.match(stdout, what);
    assert.match(stdout, advice);
    const listed = await stub.run(['ls', ...options]);
    assert.equal(listed.code, exitCode.unreachable, listed.stderr);
    assert.match(listed.stderr, advice);
  }
  const soon = await front(newPair(authority, 's', { untilMs: now + 5 * dayMs }));
  assert.match((await stub.run(['doctor', '--endpoint', soon])).stdout, /! tls .*, 4 days left\n.*put another one/);
});

test("an authority of one's own is named by --ca, DSOM_CA, or a profile", async () => {
  const bare = { DSOM_ENDPOINT: '', DSOM_ACCESS_KEY_ID: '', DSOM_SECRET_ACCESS_KEY: '' };
  for (const [index, way] of ['option', 'environment', 'profile'].entries()) {
    const mine = newAuthority(`authority ${index}`);
    const file = path.join(stub.folder, `ca-${index}.pem`);
    writeFileSync(file, mine.certificate);
    const endpoint = await front(newPair(mine, 's'));
    assert.equal((await stub.run(['ls', '--endpoint', endpoint])).code, exitCode.unreachable, way);
    const run = (...parameters: string[]) =>
      way === 'option'
        ? stub.run([...parameters, '--endpoint', endpoint, '--ca', file])
        : way === 'environment'
          ? stub.run(parameters, { environment: { DSOM_ENDPOINT: endpoint, DSOM_CA: file } })
          : stub.run(parameters, { environment: bare });
    if (way === 'profile') {
      const added = ['profile', 'add', 'own', endpoint, '--ca', file, '--use', '--access-key-id', 'test'];
      const add = await stub.run([...added, '--secret-access-key', 'secret-secret'], { environment: bare });
      assert.equal(add.code, 0, add.stderr);
      assert.equal((await stub.run(['profile', 'list', '--json'])).rows[0]?.['ca'], file);
    }
    assert.match((await run('ls')).stdout, / b\n/, way);
    assert.match((await run('doctor')).stdout, /✓ tls +TLSv1\.3, \w+; certificate for 127\.0\.0\.1, \d\d days left/);
  }
  for (const [file, what] of [
    ['/none/such', /cannot be read: ENOENT/],
    [path.join(import.meta.dirname, 'exit.ts'), /no certificate in PEM.*convert it/],
  ] as const) {
    const { code, stderr } = await stub.run(['ls', '--ca', file]);
    assert.deepEqual([code, what.test(stderr)], [exitCode.usage, true], stderr);
  }
});
