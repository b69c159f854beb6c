import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { until } from '../../host/patience.support.ts';
import { InvariantError } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { large, serveFake, startHarness, withLarge } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';

/* What the network may do to the handler: stall, stop reading, leave; and what devices may do to a read. */

const { timers } = realHost();

const { fake, s3 } = await serveFake(withLarge);

describe('slow clients', () => {
  it('time out while their body is waited for: silence, and a byte now and then', async () => {
    const manual = manualHost();
    const { service, taken } = fakeObjects();
    const other = await startHarness(service, { timers: manual.timers, clock: manual.clock });
    try {
      await other.send('PUT', '/bucket');
      for (const trickle of [0, 3]) {
        const socket = net.connect(other.port, '127.0.0.1');
        let text = '';
        socket.on('data', (data) => (text += data.toString('latin1')));
        socket.on('error', () => undefined);
        socket.write(
          `${other.signedHead('PUT', '/bucket/slow', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })}Content-Length: 100000\r\n\r\nabc`,
        );
        await until(() => taken.bytes === 3, 'the beginning');
        taken.bytes = 0;
        for (let i = 1; i <= trickle; i++) {
          manual.advance(limits.idleBodyMs / 4);
          assert.equal(text, '');
          socket.write('y');
          await until(() => taken.bytes === i, 'a byte');
        }
        taken.bytes = 0;
        manual.advance(limits.idleBodyMs - (trickle * limits.idleBodyMs) / 4 - 1);
        await timers.sleep(20);
        assert.equal(text, '');
        manual.advance(2);
        await until(() => text.includes('</Error>'), 'the answer');
        assert.match(text, /^HTTP\/1\.1 400 [\s\S]*<Code>RequestTimeout<\/Code>/);
        socket.destroy();
      }
      // One that brings enough is waited for, however long it takes in all.
      const socket = net.connect(other.port, '127.0.0.1');
      let text = '';
      socket.on('data', (data) => (text += data.toString('latin1')));
      socket.write(
        `${other.signedHead('PUT', '/bucket/steady', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })}Content-Length: 100000\r\n\r\n`,
      );
      for (let i = 0; i < 10; i++) {
        await until(() => taken.streamed === 3 && taken.bytes === i * 10_000, 'what was sent');
        manual.advance(limits.idleBodyMs - 1000);
        socket.write('z'.repeat(10_000));
      }
      await until(() => text.startsWith('HTTP/1.1 200'), 'the steady upload');
      socket.destroy();
    } finally {
      await other.close();
    }
  });

  it('that do not read hold back the reading of the object, and are broken off', async () => {
    const manual = manualHost();
    const objects = fakeObjects();
    const other = await startHarness(objects.service, { timers: manual.timers });
    try {
      await other.send('PUT', '/bucket');
      const huge = Buffer.alloc(64 * 1024 * 1024);
      await other.send('PUT', '/bucket/huge', { body: huge, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
      let given = 0;
      objects.faults.forbidImmediate = true;
      objects.faults.wait = async () => void (given += 65_536);
      const socket = net.connect(other.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.pause();
      socket.write(`${other.signedHead('GET', '/bucket/huge')}\r\n`);
      // It stands still once the sockets are full, and stays so.
      for (let held = -1, same = 0; same < 3; held = given) {
        await timers.sleep(100);
        same = given > 0 && given === held ? same + 1 : 0;
      }
      assert.ok(given < huge.length / 2, `${given} bytes were read for nobody`);
      manual.advance(limits.idleSendMs);
      await until(() => other.telemetry.some((row) => row.operation === 'GetObject' && row.status === 499), 'the end');
      socket.destroy();
    } finally {
      await other.close();
    }
  });
});

describe('a server that stood still', () => {
  it('does not blame the client, and after that waits as long as ever', async () => {
    const manual = manualHost();
    let asleep = 0;
    const clock = { ...manual.clock, monotonic: () => manual.clock.monotonic() + asleep };
    const { service, taken } = fakeObjects();
    const other = await startHarness(service, { timers: manual.timers, clock });
    try {
      await other.send('PUT', '/bucket');
      const socket = net.connect(other.port, '127.0.0.1');
      let text = '';
      socket.on('data', (data) => (text += data.toString('latin1')));
      const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
      socket.write(`${other.signedHead('PUT', '/bucket/slow', { headers })}Content-Length: 100000\r\n\r\nabc`);
      await until(() => taken.bytes === 3, 'the beginning');
      asleep += 10 * limits.idleBodyMs;
      manual.advance(limits.idleBodyMs / 2);
      await timers.sleep(50);
      assert.equal(text, '');
      manual.advance(limits.idleBodyMs);
      await until(() => text.includes('</Error>'), 'the answer');
      assert.match(text, /<Code>RequestTimeout</);
      socket.destroy();
    } finally {
      await other.close();
    }
  });
});

describe('answers given at once', () => {
  it('that nobody reads end with their connection; slow work and idle connections are not taken for that', async () => {
    const objects = fakeObjects();
    const other = await startHarness(objects.service, { stalledMs: 200 });
    try {
      await other.send('PUT', '/bucket');
      await other.send('PUT', '/bucket/huge', {
        body: Buffer.alloc(64 * 1024 * 1024),
        headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      });
      await until(() => other.connections() === 0, 'the end of those before');
      const before = other.accepted();
      const socket = net.connect(other.port, '127.0.0.1');
      let closed = false;
      socket.on('error', () => undefined).on('close', () => (closed = true));
      socket.pause();
      socket.write(`${other.signedHead('GET', '/bucket/huge')}\r\n`);
      await until(() => other.accepted() === before + 1, 'the connection');
      await until(() => other.connections() === 0, 'its end');
      socket.resume();
      await until(() => closed, 'the end, as the client sees it');
      // Four times as long as the limit, without a byte on the wire.
      objects.faults.forbidImmediate = true;
      objects.faults.wait = async () => {
        delete objects.faults.wait;
        await timers.sleep(800);
      };
      const agent = new http.Agent({ keepAlive: true });
      const slow = await other.send('GET', '/bucket/huge', { headers: { range: 'bytes=0-9' }, agent });
      assert.equal(slow.body.length, 10);
      await timers.sleep(800);
      assert.equal(Object.values(agent.freeSockets).flat().length, 1, 'it waits for the next request');
      agent.destroy();
      // One that stalls behind slow work is found as well.
      objects.faults.wait = async () => {
        delete objects.faults.wait;
        await timers.sleep(500);
      };
      const late = net.connect(other.port, '127.0.0.1').on('error', () => undefined);
      late.pause();
      late.write(`${other.signedHead('GET', '/bucket/huge')}\r\n`);
      await until(() => other.telemetry.some(({ status }) => status === 499), 'the end of the answer');
      late.destroy();
    } finally {
      await other.close();
    }
  });
});

describe('reads that fail', () => {
  it('before the first byte are answered', async () => {
    fake.faults.forbidImmediate = true;
    fake.faults.breakAfter = 0;
    const got = await s3.send('GET', '/bucket/large');
    assert.deepEqual([got.status, got.code], [500, 'Damaged']);
    assert.ok(s3.logged.length > 0);
  });

  it('later break the connection: never a short answer that looks whole', async () => {
    fake.faults.forbidImmediate = true;
    fake.faults.breakAfter = 1024 * 1024;
    fake.faults.error = new StoreError('Damaged', { message: 'stripe 7' });
    const agent = new http.Agent({ keepAlive: true });
    const { clock } = realHost();
    const started = clock.monotonic();
    await assert.rejects(s3.send('GET', '/bucket/large', { agent }));
    assert.ok(
      clock.monotonic() - started < limits.idleSendMs / 2,
      'it is the failure that breaks the connection, not a time-out',
    );
    agent.destroy();
    await until(() => s3.telemetry.some((row) => row.status === 499 && row.bytesOut >= 1024 * 1024), 'the telemetry');
    assert.ok(s3.logged.some(({ event }) => event === 'answer broken off'));
    const text = await s3.raw(`${s3.signedHead('GET', '/bucket/large')}\r\n`);
    assert.match(text, /Content-Length: 8388608/);
    assert.ok(text.length < 8388608);
  });

  it('of a source that gives too little or too much stop the program after breaking the connection', async () => {
    const objects = fakeObjects();
    const fatal: InvariantError[] = [];
    const other = await startHarness(objects.service, { fatal: (error) => void fatal.push(error) });
    try {
      await other.send('PUT', '/bucket');
      await other.send('PUT', '/bucket/x', { body: large });
      const { read } = objects.service;
      for (const give of [1000, large.length + 1000]) {
        objects.service.read = (request) => {
          const result = read(request) as Exclude<ReturnType<typeof read>, Promise<unknown>>;
          return {
            ...result,
            immediate: () => undefined,
            async *open() {
              yield Buffer.alloc(give);
            },
          };
        };
        await assert.rejects(other.send('GET', '/bucket/x'));
      }
      assert.equal(fatal.length, 2);
      assert.ok(fatal.every((error) => error instanceof InvariantError));
    } finally {
      await other.close();
    }
  });

  it('whose client leaves stop reading', async () => {
    fake.faults.forbidImmediate = true;
    let steps = 0;
    fake.faults.wait = async () => {
      steps++;
      await timers.sleep(5);
    };
    const socket = net.connect(s3.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`${s3.signedHead('GET', '/bucket/large')}\r\n`);
    await until(() => steps > 3, 'some steps');
    socket.destroy();
    await until(() => s3.telemetry.some((row) => row.status === 499), 'the end');
    const seen = steps;
    await timers.sleep(100);
    assert.ok(steps <= seen + 1);
    assert.ok(steps < 128);
  });
});
