/* Stopping and starting: SIGTERM loses nothing, and whatever is wrong at a start is refused in words, with nothing changed on disk. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { freePort, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, type Ended, scratch } from './process.support.ts';

const MiB = 1 << 20;
/** What running requests have after SIGTERM. */
const drainMs = 8000;

/** Every file below a folder with its content, as text to compare. */
function stateOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const file = path.join(folder, name);
      const stat = statSync(file);
      return stat.isFile()
        ? `${name} ${stat.size} ${createHash('md5').update(readFileSync(file)).digest('hex')}`
        : `${name}/`;
    });
}

interface Start {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly port?: number;
}

async function startRefused(data: readonly string[], options: Start = {}): Promise<Ended> {
  const port = options.port ?? (await freePort());
  const address = options.flags?.includes('--address') ? [] : ['--address', `127.0.0.1:${port}`];
  return dsom(['server', ...data.flatMap((one) => ['--data', one]), ...address, ...(options.flags ?? [])], options.env);
}

/** Asserts a start that is refused with such a message, without a stack trace, and leaves the folders as they were. */
async function refused(
  message: RegExp,
  folders: readonly string[],
  data: readonly string[],
  options: Start = {},
): Promise<void> {
  const before = folders.map(stateOf);
  const { code, output } = await startRefused(data, options);
  assert.ok(code !== null && code !== 0, `exit code ${code}: ${output}`);
  assert.match(output, message);
  assert.doesNotMatch(output, /\n\s+at .*:\d+:\d+/, 'a message for the operator, not a stack trace');
  assert.deepEqual(folders.map(stateOf), before, `changed on disk after: ${output}`);
}

test('SIGTERM during uploads: running requests finish, the exit code is 0, nothing acknowledged is lost', {
  timeout: 900_000,
}, async (t) => {
  const data = path.join(scratch(t, 'drain'), 'data');
  let server: Server = await startServer([data]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  assert.equal((await send(server.endpoint, 'PUT', '/drain')).status, 200);
  const kept = new Map<string, Buffer>();
  /** Still under way when the time to end was over, on a machine that is busy with other things; or come at the very moment of the close. */
  const brokenOff = new Map<string, Buffer>();
  const failures: string[] = [];
  const bodies = [100, 5000, MiB, 16 * MiB].map((size) => randomBytes(size));
  let stopped = false;
  let stoppedAt = Number.POSITIVE_INFINITY;
  let atTheLast = 0;
  const writers = bodies.flatMap((body, size) =>
    [0, 1].map(async (writer) => {
      for (let i = 0; !stopped; i++) {
        const key = `${size}/${writer}/${i}`;
        try {
          const answer = await send(server.endpoint, 'PUT', pathOf('drain', key), { body });
          if (answer.status === 200) kept.set(key, body);
          else failures.push(`${key}: ${answer.status} ${answer.text()}`);
        } catch (cause) {
          // Connections are refused from the signal on.
          const { code } = cause as NodeJS.ErrnoException;
          if (code === 'ECONNREFUSED') return;
          const late = performance.now() - stoppedAt > drainMs - 1000;
          // One for each of the two listening sockets may come just before the close.
          const last = performance.now() > stoppedAt && ++atTheLast <= 2;
          if ((late || last) && (code === 'ECONNRESET' || code === 'EPIPE')) brokenOff.set(key, body);
          else failures.push(`${key}: ${String(cause)}`);
          return;
        }
      }
    }),
  );
  // An upload whose body takes its time is a running request too.
  while (kept.size < 20) await sleep(20);
  const [slowBody] = bodies.slice(-1) as [Buffer];
  const begun = Promise.withResolvers<void>();
  const slow = slowPut(server, 'slow', slowBody.subarray(0, 4 * MiB), 2000, begun.resolve).catch((cause: unknown) => {
    if (performance.now() - stoppedAt > drainMs - 1000) return 'late';
    throw cause;
  });
  await Promise.race([begun.promise, slow]);
  stoppedAt = performance.now();
  const code = await server.stop();
  stopped = true;
  await Promise.all(writers);
  assert.equal(code, 0, server.output());
  // Two seconds are less than it has; this process may have needed more.
  if ((await slow) === 'late') brokenOff.set('slow', slowBody.subarray(0, 4 * MiB));
  else {
    assert.equal(await slow, 200, 'the slow upload was answered');
    kept.set('slow', slowBody.subarray(0, 4 * MiB));
  }
  assert.deepEqual(failures, []);

  server = await startServer([data]);
  for (const [key, body] of kept) {
    const answer = await send(server.endpoint, 'GET', pathOf('drain', key));
    assert.equal(answer.status, 200, `${key}: ${answer.text().slice(0, 200)}`);
    assert.ok(answer.body.equals(body), `${key} has other bytes`);
  }
  for (const [key, body] of brokenOff) {
    const answer = await send(server.endpoint, 'GET', pathOf('drain', key));
    const whole = answer.status === 200 && answer.body.equals(body);
    assert.ok(answer.status === 404 || whole, `${key} was broken off, and is neither whole nor absent`);
  }
  assert.equal(await server.stop('SIGINT'), 0, 'SIGINT is the same');
});

test('SIGTERM: a request on a connection that was already there is answered, and the connection then closed', {
  timeout: 900_000,
}, async (t) => {
  const data = path.join(scratch(t, 'idle'), 'data');
  let answer = '';
  // The request must come within a fifth of a second after the socket closed: on a busy machine this process may be late.
  for (let attempt = 0; attempt < 20 && answer === ''; attempt++) {
    const server = await startServer([data]);
    t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
    const waiting = connect(server.port, '127.0.0.1');
    await once(waiting, 'connect');
    // Until the server has accepted it.
    await sleep(200);
    waiting.setEncoding('latin1').on('data', (text) => (answer += text));
    waiting.on('error', () => {});
    const closed = once(waiting, 'close');
    const stopping = server.stop();
    const until = performance.now() + 10_000;
    while (performance.now() < until && !(await refusesConnections(server.port))) await sleep(2);
    waiting.write('GET /-/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed;
    assert.equal(await stopping, 0);
  }
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(answer, /\r\nconnection: close\r\n/i);
});

test('SIGTERM under a storm of connections: each is answered or never made; at most the last of each socket is broken off', {
  timeout: 900_000,
}, async (t) => {
  const data = path.join(scratch(t, 'storm'), 'data');
  for (let round = 0; round < 3; round++) {
    const server = await startServer([data]);
    t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
    const outcomes = new Map<string, number>();
    let going = true;
    const lanes = Array.from({ length: 48 }, async () => {
      while (going) {
        const outcome = await send(server.endpoint, 'GET', '/-/health/live', { anonymous: true }).then(
          ({ status }) => String(status),
          (cause: NodeJS.ErrnoException) => cause.code ?? cause.message,
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome === 'ECONNREFUSED') return;
      }
    });
    while ((outcomes.get('200') ?? 0) < 300) await sleep(20);
    assert.equal(await server.stop(), 0);
    going = false;
    await Promise.all(lanes);
    outcomes.delete('200');
    outcomes.delete('ECONNREFUSED');
    // Before connections were accepted that waited, these were 20 to 30.
    const reset = outcomes.get('ECONNRESET') ?? 0;
    outcomes.delete('ECONNRESET');
    assert.ok(reset <= 2, `${reset} connections were broken off`);
    assert.deepEqual([...outcomes], []);
  }
});

async function refusesConnections(port: number): Promise<boolean> {
  const probe = connect(port, '127.0.0.1');
  const refused = await Promise.race([
    once(probe, 'connect').then(() => false),
    once(probe, 'error').then(() => true),
    // While the queue is being emptied nobody answers.
    sleep(20, false),
  ]).catch(() => true);
  probe.destroy();
  return refused;
}

/** A PUT whose body arrives in pieces over that time. @param begun called when some of them are on their way */
async function slowPut(
  server: Server,
  key: string,
  body: Buffer,
  milliseconds: number,
  begun: () => void,
): Promise<number> {
  const pieces = 10;
  const stream = async function* () {
    for (let i = 0; i < pieces; i++) {
      if (i === 2) begun();
      yield body.subarray((body.length * i) / pieces, (body.length * (i + 1)) / pieces);
      await sleep(milliseconds / pieces);
    }
  };
  const answer = await fetch(`${server.endpoint}/-/v1/buckets/drain/objects/${key}`, {
    method: 'PUT',
    headers: { authorization: bearer },
    body: stream(),
    duplex: 'half',
  } as RequestInit);
  await answer.arrayBuffer();
  return answer.status === 201 ? 200 : answer.status;
}

test('a second server on the same directory or port is refused, and the first goes on', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'second');
  const data = path.join(folder, 'data');
  const other = path.join(folder, 'other');
  const server = await startServer([data]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  assert.equal((await send(server.endpoint, 'PUT', '/bucket')).status, 200);
  assert.equal((await send(server.endpoint, 'PUT', '/bucket/key', { body: 'text' })).status, 200);

  const same = await startRefused([data]);
  assert.ok(same.code !== null && same.code !== 0, same.output);
  assert.match(same.output, new RegExp(`in use by process ${server.pid}.*Stop that process`));
  const port = await startRefused([other], { port: server.port });
  assert.ok(port.code !== null && port.code !== 0, port.output);
  assert.match(port.output, /something else listens there: stop it, or give another --address/);
  assert.throws(() => statSync(other), /ENOENT/, 'the port is claimed before a directory is made');
  const check = await dsom(['fsck', '--data', data]);
  assert.ok(check.code !== 0 && /in use by process/.test(check.output), check.output);

  const answer = await send(server.endpoint, 'GET', '/bucket/key');
  assert.deepEqual([answer.status, answer.text()], [200, 'text']);
  assert.equal(await server.stop(), 0);
  const again = await startServer([data]);
  assert.equal((await send(again.endpoint, 'GET', '/bucket/key')).text(), 'text');
  assert.equal(await again.stop(), 0);
});

test('wrong directories, keyrings and settings are refused in words, and nothing changes', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'refused');
  const at = (name: string) => path.join(folder, name);
  const [one, two, foreign] = [at('one'), at('two'), at('foreign')];
  for (const data of [one, two]) {
    const server = await startServer([data]);
    assert.equal((await send(server.endpoint, 'PUT', '/bucket')).status, 200);
    assert.equal((await send(server.endpoint, 'PUT', '/bucket/key', { body: randomBytes(100_000) })).status, 200);
    assert.equal(await server.stop(), 0);
  }
  mkdirSync(foreign);
  writeFileSync(path.join(foreign, 'thesis.tex'), 'years of work');

  await t.test('directories of two stores', () => refused(/belong to 2 different stores/, [one, two], [one, two]));
  await t.test('a foreign directory', () =>
    refused(/holds "thesis\.tex" and is not a DSOM directory: give an empty one/, [foreign], [foreign]),
  );
  await t.test('a foreign directory beside a store', () =>
    refused(/holds "thesis\.tex".*give an empty one/, [one, foreign], [one, foreign]),
  );
  await t.test('the device of another store', async () => {
    const mixed = at('mixed');
    cpSync(one, mixed, { recursive: true });
    rmSync(path.join(mixed, 'device'), { recursive: true });
    cpSync(path.join(two, 'device'), path.join(mixed, 'device'), { recursive: true });
    await refused(/belongs to store .*Give each store its own directories/, [mixed], [mixed]);
  });
  await t.test('a device that is not mounted', async () => {
    const bare = at('bare');
    cpSync(one, bare, { recursive: true });
    rmSync(path.join(bare, 'device'), { recursive: true });
    mkdirSync(path.join(bare, 'device'));
    await refused(/Mount the right disk, or restore the directory/, [bare], [bare]);
  });
  await t.test('a damaged identity', async () => {
    const data = at('identity');
    cpSync(one, data, { recursive: true });
    writeFileSync(path.join(data, 'identity'), '{"format":1');
    await refused(/identity is not an identity file.*Restore it from a backup/, [data], [data]);
  });
  for (const [what, harm, message] of [
    ['a missing keyring', (file: string) => rmSync(file), /no keyring file.*Put your backup of keys\/.* back/],
    [
      'a damaged keyring',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
        writeFileSync(file, bytes);
      },
      /keyring file cannot be read.*Put your backup of keys\/.* back/,
    ],
    ['an empty keyring', (file: string) => writeFileSync(file, ''), /keyring.*Put your backup of keys\/.* back/],
    [
      "another store's keyring",
      (file: string) => cpSync(path.join(two, 'keys', path.basename(file)), file),
      /keyring.*belongs to another store.*Put the newest backup/,
    ],
  ] as const)
    await t.test(what, async () => {
      const data = at(what.replaceAll(/\W/g, '-'));
      cpSync(one, data, { recursive: true });
      const [name] = readdirSync(path.join(data, 'keys'));
      harm(path.join(data, 'keys', name as string));
      await refused(message, [data], [data]);
      cpSync(path.join(one, 'keys'), path.join(data, 'keys'), { recursive: true });
      const server = await startServer([data]);
      assert.equal(
        (await send(server.endpoint, 'GET', '/bucket/key')).body.length,
        100_000,
        'with the backup it opens',
      );
      assert.equal(await server.stop(), 0);
    });

  const fresh = at('fresh');
  mkdirSync(fresh);
  const config = at('config.json');
  writeFileSync(config, '{"scrubDay": 3}');
  await t.test('an unknown flag', () =>
    refused(/unknown option --scrub-day: did you mean --scrub-days\?/, [fresh], [fresh], {
      flags: ['--scrub-day', '7'],
    }),
  );
  await t.test('an unknown variable', () =>
    refused(/unknown environment variable DSOM_SCRUB_DAY: did you mean DSOM_SCRUB_DAYS\?/, [fresh], [fresh], {
      env: { DSOM_SCRUB_DAY: '7' },
    }),
  );
  await t.test('an unknown setting in the file', () =>
    refused(/unknown setting in .* scrubDay: did you mean scrubDays\?/, [fresh], [fresh], {
      flags: ['--config', config],
    }),
  );
  await t.test('a value out of range', () =>
    refused(/--scrub-days: must be a number of days/, [fresh], [fresh], { flags: ['--scrub-days', '1000'] }),
  );
  await t.test('an address that is none', () =>
    refused(/is not an address: write it like/, [fresh], [fresh], { flags: ['--address', 'here'] }),
  );

  await t.test('the stores are unharmed', async () => {
    for (const data of [one, two]) {
      const server = await startServer([data]);
      assert.equal((await send(server.endpoint, 'GET', '/bucket/key')).status, 200);
      assert.equal(await server.stop(), 0);
    }
  });
});
