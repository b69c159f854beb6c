/* Event notifications into a stream of a real NATS server. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dsom, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { freePort, type Server, startServer } from '../src/server.ts';
import { ask } from './ask.ts';

/** What these tests use of the clients of NATS (@nats-io), which the server has. */
interface Nats {
  connect(options: object): Promise<{ close(): Promise<void> }>;
}
interface Manager {
  readonly streams: {
    add(stream: object): Promise<unknown>;
    getMessage(stream: string, query: object): Promise<{ readonly data: Uint8Array; json(): unknown } | null>;
    info(stream: string): Promise<{ readonly state: { readonly messages: number } }>;
  };
}
interface JetStream {
  jetstreamManager(connection: unknown): Promise<Manager>;
}

const transport = '@nats-io/transport-node';
const jetstream = '@nats-io/jetstream';

const skip = await (async (): Promise<string | false> => {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'nats-server is not on the PATH (Debian: apt-get install nats-server)';
  }
  return import(transport).then(
    () => false,
    () => `${transport} is not installed: npm install`,
  );
})();

let server: Server;
let nats: ChildProcess;
const folder = scratchFolder('events-nats');
let port = 0;
const natsFolder = path.join(folder, 'nats');

function startNats(): void {
  const args = [
    '-a',
    '127.0.0.1',
    '-p',
    String(port),
    '-js',
    '-sd',
    natsFolder,
    '--user',
    'dsom',
    '--pass',
    'p@ss word',
  ];
  nats = spawn('nats-server', args, { stdio: 'ignore' });
}

const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('exit', () => resolve()));

/** The stream that takes the events. */
async function manager(): Promise<{ readonly streams: Manager['streams']; close(): Promise<void> }> {
  const { connect } = (await import(transport)) as Nats;
  const { jetstreamManager } = (await import(jetstream)) as JetStream;
  let connection: Awaited<ReturnType<Nats['connect']>> | undefined;
  await until('nats-server answers', 20_000, async () => {
    connection = await connect({ servers: `127.0.0.1:${port}`, user: 'dsom', pass: 'p@ss word' });
    return true;
  });
  const { streams } = await jetstreamManager(connection);
  return { streams, close: async () => connection?.close() };
}

before(async () => {
  if (skip) return;
  port = await freePort();
  startNats();
  server = await startServer([path.join(folder, 'data')]);
});
after(async () => {
  if (skip) return;
  nats?.kill('SIGKILL');
  await server?.stop();
});

test('a stream of NATS has every event once, over a NATS server that is killed', {
  skip,
  timeout: 900_000,
}, async () => {
  const { endpoint } = server;
  const url = `nats://dsom:p%40ss%20word@127.0.0.1:${port}`;
  await dsom(endpoint, 'notify', 'target', 'add', 'queue', '--nats', url, '--subject', 's3.events');
  await ask(endpoint, 'PUT', '/bucket');
  const body =
    '<NotificationConfiguration><QueueConfiguration><Id>q</Id><Event>s3:ObjectCreated:*</Event><Queue>arn:dsom:sqs::queue:nats</Queue></QueueConfiguration></NotificationConfiguration>';
  // No stream takes the subject yet: the test event is refused.
  const early = await ask(endpoint, 'PUT', '/bucket?notification', { body });
  assert.deepEqual([early.status, early.element('Code')], [400, 'InvalidArgument']);
  const first = await manager();
  await first.streams.add({ name: 'events', subjects: ['s3.>'] });
  await first.close();
  const configured = await ask(endpoint, 'PUT', '/bucket?notification', { body });
  assert.equal(configured.status, 200, configured.text());
  for (let at = 0; at < 10; at++) await ask(endpoint, 'PUT', `/bucket/before-${at}`, { body: 'x' });
  const gone = ended(nats);
  nats.kill('SIGKILL');
  await gone;
  for (let at = 0; at < 10; at++) await ask(endpoint, 'PUT', `/bucket/after-${at}`, { body: 'x' });
  startNats();
  const second = await manager();
  await until(
    'every event is in the stream',
    60_000,
    async () => (await second.streams.info('events')).state.messages >= 21,
  );
  const keys: string[] = [];
  for (let seq = 1; seq <= 21; seq++) {
    const message = await second.streams.getMessage('events', { seq });
    const value = JSON.parse(Buffer.from(message?.data ?? []).toString('utf8'));
    keys.push(value.Event ?? value.Records[0].s3.object.key);
  }
  await second.close();
  assert.equal(keys[0], 's3:TestEvent');
  const expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((at) => [`after-${at}`, `before-${at}`]);
  // What was acknowledged and not written when the server was killed would come again, and the stream drops it by its id.
  assert.deepEqual(keys.slice(1).sort(), expected.sort());
});
