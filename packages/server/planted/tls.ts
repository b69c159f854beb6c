import type { Plant } from './plant.ts';

const connection = 'src/api/http/connection.ts';
const proxies = 'src/api/http/connection.test.ts';
const server = 'src/daemon/tls/server.ts';
const material = 'src/daemon/tls/material.ts';
const watch = 'src/daemon/tls/watch.ts';
const tests = ['src/daemon/tls/tls.test.ts'];

/** TLS with clients, and what a request is told to have come by. */
export const tlsPlants: readonly Plant[] = [
  {
    name: 'tls: anybody may say where he comes from',
    file: connection,
    find: '|| !proxies?.trusts(address))',
    replace: '|| !proxies)',
    tests: [proxies],
  },
  {
    name: 'tls: the first address that a proxy hands on is the client',
    file: connection,
    find: 'if (!this.trusts(address)) break;',
    replace: '',
    tests: [proxies],
  },
  {
    name: 'tls: one proxy of several has TLS, and that is enough',
    file: connection,
    find: '/^[ \\t]*https[ \\t]*(?:,[ \\t]*https[ \\t]*)*$/i.test',
    replace: '/https/i.test',
    tests: [proxies],
  },
  {
    name: 'tls: a device is whatever its certificate says, whoever signed it',
    file: connection,
    find: 'if (!socket.authorized) return undefined;',
    replace: '',
    tests,
  },
  {
    name: 'tls: a certificate that has run out counts while its session is kept',
    file: connection,
    find: 'nowMs <= shown.untilMs',
    replace: 'shown.untilMs > 0',
    tests,
  },
  {
    name: 'tls: sessions outlive the authority of their device',
    file: server,
    find: "createHash('sha256').update(clientAuthority).digest",
    replace: "createHash('sha256').update(clientAuthority.slice(0, 0)).digest",
    tests,
  },
  {
    name: 'tls: each thread has ticket keys of its own',
    file: server,
    find: '  ticketKeys: Buffer.from(material.ticketKeys),\n',
    replace: '',
    tests,
  },
  {
    name: 'tls: devices are known under the first name only',
    file: server,
    find: 'context: createSecureContext({ ...contextOf(material, pair),',
    replace: 'context: createSecureContext({ ...contextOf({ ...material, clientAuthority: undefined }, pair),',
    tests,
  },
  {
    name: 'tls: certificates by name stay as they were at the start',
    file: server,
    find: '      named = namedContexts(next);\n',
    replace: '',
    tests,
  },
  {
    name: 'tls: ciphers as they come',
    file: server,
    find: '    ciphers: [',
    replace: "    ciphers: [\n      'ALL',",
    tests,
  },
  {
    name: 'tls: a key of another certificate is taken at the start',
    file: material,
    find: 'if (!own?.checkPrivateKey(secret))',
    replace: 'if (!own)',
    tests,
  },
  {
    name: 'tls: a bad file ends what is served',
    file: watch,
    find: 'return { ...material, ticketKeys };',
    replace: 'return { ...material, pairs: [], ticketKeys };',
    tests,
  },
  {
    name: 'tls: a new certificate that has run out is served',
    file: watch,
    find: '      screenTimes(next, state, clock.now());\n',
    replace: '',
    tests,
  },
  {
    name: 'tls: plain HTTP hands requests with credentials on',
    file: 'src/daemon/tls/redirect.ts',
    find: '|| authorization !== undefined ',
    replace: '',
    tests,
  },
  {
    name: 'tls: a policy hears of TLS from the version alone',
    file: 'src/api/s3/request-context.ts',
    find: 'flag(connection.secure)',
    replace: 'flag(connection.tls !== undefined)',
    tests: ['src/api/s3/request-context.test.ts'],
  },
];
