import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, beforeEach, describe, it } from 'node:test';
import { RateGate, rateMemory } from '../../access/index.ts';
import { manualHost, realHost, type Timers } from '../../host/index.ts';
import { until } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import type { RateLimits } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { Admission } from '../http/admission.ts';
import { FairPlaces } from '../http/places.ts';
import { startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';

/* What a client sees of limits and of fair turns, over HTTP. Requests of `foreign` are of tenant 123456789012, all others of the first account. */

const fake = fakeObjects();
const real = realHost();
/** The time of the rates: it passes only while somebody waits for a rate. All other waits are longer. */
const time = manualHost();
const timers: Timers = {
  ...real.timers,
  sleep: async (ms) => time.advance(ms),
  after(ms, run) {
    if (ms >= 1000) return real.timers.after(ms, run);
    return real.timers.after(0, () => {
      time.advance(ms);
      run();
    });
  },
};
const places = new FairPlaces(real);
let rates: RateLimits[] = [];
const refusals: string[] = [];
const gate = new RateGate({
  rates: () => rates,
  memory: rateMemory(Buffer.from('seed')),
  clock: time.clock,
  onRefused: (tenant, limit) => refusals.push(`${tenant} ${limit}`),
});
const counted: string[] = [];
/** Large bodies, in and out, as the object service was given them. */
const bodies: { readonly whose?: string | undefined }[] = [];
const service: ObjectService = {
  ...fake.service,
  put(request) {
    if (!request.body.whole) bodies.push(request.body);
    return fake.service.put(request);
  },
  async read(request) {
    const result = await fake.service.read(request);
    const open: typeof result.open = (slice) => {
      const body = result.open(slice);
      bodies.push(body);
      return body;
    };
    return { ...result, open };
  },
};
const admission = new Admission(places, gate);
const s3 = await startHarness(service, {
  admission,
  timers,
  tenants: { finished: (tenant, bytesIn, bytesOut) => void counted.push(`${tenant} ${bytesIn} ${bytesOut}`) },
});
after(() => s3.close());
await s3.send('PUT', '/bucket');
await s3.send('PUT', '/bucket/key', { body: 'value' });

let changes = 0;
function limit(subject: string, figures: Partial<RateLimits>): void {
  rates = [{ subject, slot: 3, changedMs: 1000 + changes++, ...figures }];
  time.advance(limits.rateLookMs);
}
beforeEach(() => {
  refusals.length = 0;
  counted.length = 0;
  for (const name of Object.keys(fake.faults)) delete fake.faults[name as keyof typeof fake.faults];
});

describe('over a limit', () => {
  it('requests are answered SlowDown with Retry-After, and the connection stays, whatever its short body', async () => {
    limit('tenant/000000000000', { requestsPerSecond: 2 });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const put = () => s3.send('PUT', '/bucket/key', { body: Buffer.alloc(40_000), agent });
    const answers = [await put(), await put(), await put(), await put()];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 503, 503],
    );
    const { code, headers, text } = answers[3] as (typeof answers)[0];
    assert.deepEqual([code, headers['retry-after'], headers.connection], ['SlowDown', '1', 'keep-alive']);
    assert.match(text, /reduce your request rate.*tenant 000000000000.*2 requests per second.*try again in 1 s/);
    assert.equal(s3.connections(), 1, 'one connection carried all');
    const foreign = await s3.send('GET', '/', { as: 'foreign' });
    assert.equal(foreign.status, 200, 'another tenant is not held back');
    time.advance(1000);
    assert.equal((await put()).status, 200, 'after Retry-After it goes');
    agent.destroy();
    assert.deepEqual(new Set(refusals), new Set(['000000000000 requests']));
    assert.equal(s3.logged.length, 0, 'it is no failure of the server');
  });

  it('a large body is not taken in: the answer comes first, and 100 Continue never', async () => {
    limit('tenant/000000000000', { requestsPerSecond: 1 });
    await s3.send('HEAD', '/bucket/key');
    const head = s3.signedHead('PUT', '/bucket/key', {
      headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    });
    const answer = await s3.raw(`${head}Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n/i);
    assert.ok(!answer.includes('100 Continue'));
    assert.equal((await s3.send('HEAD', '/bucket/key')).headers['x-dsom-error-code'], 'SlowDown');
  });

  it('as many as may be are under way at once, and places come back when clients vanish', async () => {
    limit('tenant/000000000000', { concurrentRequests: 2 });
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    Object.assign(fake.faults, { forbidImmediate: true, wait: () => held });
    const two = [s3.send('GET', '/bucket/key'), s3.send('GET', '/bucket/key')];
    await until(() => places.inWork === 2, 'two are in work');
    const third = await s3.send('GET', '/bucket/key');
    assert.deepEqual([third.status, third.code, third.headers['retry-after']], [503, 'SlowDown', '1']);
    release();
    for (const one of two) assert.equal((await one).status, 200);
    await until(() => places.inWork === 0, 'all places are back');
    assert.equal((await s3.send('GET', '/bucket/key')).status, 200);
  });

  it('one connection too many of a tenant is closed with its answer, those that count go on, and who closes one has one more', async () => {
    limit('tenant/000000000000', { connections: 2 });
    const agents = [1, 2].map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }));
    const [a, b] = agents as [http.Agent, http.Agent];
    const open = () => admission.connections().get('000000000000') ?? 0;
    const get = (agent?: http.Agent) => s3.send('GET', '/bucket/key', agent && { agent });
    for (const agent of [a, b, a, b]) assert.equal((await get(agent)).status, 200);
    assert.equal(open(), 2, 'each once');
    const short = { body: Buffer.alloc(40_000), agent: new http.Agent({ keepAlive: true }) };
    for (const answer of [await get(), await s3.send('PUT', '/bucket/key', short)]) {
      const { status, code, headers, text } = answer;
      assert.deepEqual([status, code, headers['retry-after'], headers.connection], [503, 'SlowDown', '1', 'close']);
      assert.match(
        text,
        /limit of tenant 000000000000 is 2 open connections to this node \(use those that are open.*\): try again in 1 s/,
      );
    }
    assert.deepEqual(new Set(refusals), new Set(['000000000000 connections']));
    for (const agent of agents) assert.equal((await get(agent)).status, 200);
    assert.equal((await s3.send('GET', '/', { as: 'foreign' })).status, 200, 'another tenant is not held back');
    assert.equal((await s3.send('GET', '/bucket/key', { as: 'anonymous', agent: a })).status, 403);
    assert.equal(open(), 2, 'who has no credentials takes no connection over');
    assert.equal((await s3.send('GET', '/', { as: 'foreign', agent: a })).status, 200);
    assert.equal(open(), 1, 'it is of whoever asked last');
    a.destroy();
    const c = new http.Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await get(c)).status, 200);
    b.destroy();
    await until(() => open() === 1, 'a closed one counts no more');
    assert.equal((await get()).status, 200);
    c.destroy();
    await until(() => open() === 0, 'all are closed');
    rates = [];
  });

  it('bodies are slowed down to the rate, both ways, and requests refused while they are ahead', async () => {
    await s3.send('PUT', '/bucket/long', { body: Buffer.alloc(300_000) });
    limit('tenant/000000000000', { bytesInPerSecond: 200_000, bytesOutPerSecond: 200_000 });
    const began = time.clock.monotonic();
    const put = await s3.send('PUT', '/bucket/slow', { body: Buffer.alloc(300_000) });
    const seconds = (time.clock.monotonic() - began) / 1000;
    assert.ok(put.status === 200 && seconds > 0.4 && seconds < 1.6, `${seconds}`);
    const other = gate.enter({ account: '000000000000', key: undefined, address: '' });
    other?.came(900_000);
    other?.leave();
    const crowded = await s3.send('GET', '/bucket/key');
    assert.deepEqual([crowded.status, crowded.code], [503, 'SlowDown']);
    assert.ok(Number(crowded.headers['retry-after']) >= 1 && refusals.at(-1) === '000000000000 bytes');
    limit('tenant/000000000000', { bytesOutPerSecond: 200_000 });
    fake.faults.forbidImmediate = true;
    const again = time.clock.monotonic();
    const got = await s3.send('GET', '/bucket/long');
    assert.equal(got.body.length, 300_000);
    assert.ok((time.clock.monotonic() - again) / 1000 > 0.4);
  });

  // CVE-2026-33419: names and secrets could be tried without end.
  it('who sends bad signatures is held back by his address, and nobody else', async () => {
    limit('anonymous', { requestsPerSecond: 2 });
    const bad = () => s3.send('GET', '/bucket/key', { headers: { authorization: 'Bearer x.y' }, as: 'anonymous' });
    const statuses = [(await bad()).status, (await bad()).status, (await bad()).status, (await bad()).status];
    assert.deepEqual(statuses, [403, 403, 503, 503]);
    assert.equal((await s3.send('GET', '/bucket/key')).status, 200);
  });
});

describe('turns', () => {
  it('a tenant below his share is served while another one has filled the places, and each request counts once', async () => {
    rates = [];
    time.advance(limits.rateLookMs);
    await s3.send('GET', '/', { as: 'foreign' });
    await s3.send('HEAD', '/bucket/key');
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    Object.assign(fake.faults, { forbidImmediate: true, wait: () => held });
    const noisy = Array.from({ length: 3 * limits.placesShared }, () => s3.send('GET', '/bucket/key'));
    await until(() => places.holders().some(({ waiting }) => waiting > 0), 'some wait');
    counted.length = 0;
    assert.equal((await s3.send('GET', '/', { as: 'foreign' })).status, 200);
    assert.equal(counted.length, 1);
    assert.match(counted[0] as string, /^123456789012 0 \d+$/);
    const anonymous = await s3.send('GET', '/bucket/key', { as: 'anonymous' });
    assert.equal(anonymous.status, 403, 'those without credentials have a share of their own');
    release();
    for (const one of noisy) assert.equal((await one).status, 200);
    await until(() => places.inWork === 0, 'all places are back');
  });

  it('the memory of large bodies is told whose they are, both ways', async () => {
    fake.faults.forbidImmediate = true;
    bodies.length = 0;
    for (const body of [Buffer.alloc(100_000), 'short'])
      assert.equal((await s3.send('PUT', '/bucket/key', { body })).status, 200);
    assert.equal((await s3.send('GET', '/bucket/key')).status, 200);
    assert.deepEqual(
      bodies.map(({ whose }) => whose),
      ['000000000000', '000000000000'],
    );
  });

  // CVE-2020-1700, CVE-2019-3821: clients that stayed away held what others needed.
  it('a client that does not send or take its body holds no place', async () => {
    const head = s3.signedHead('PUT', '/bucket/slow', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    const count = 2 * limits.placesShared;
    const before = fake.taken.streamed;
    const stalled = Array.from({ length: count }, () => {
      const socket = net.connect(s3.port, '127.0.0.1').on('error', () => undefined);
      socket.write(`${head}Content-Length: 1000000\r\n\r\nabc`);
      return socket;
    });
    await until(() => fake.taken.streamed === before + count, 'all have begun');
    await until(() => places.inWork === 0, 'all places are given up');
    assert.equal((await s3.send('GET', '/bucket/key')).status, 200);
    for (const socket of stalled) socket.destroy();
    await until(() => s3.connections() === 0, 'all are gone');
    await until(() => places.holders().every(({ inWork, waiting }) => inWork + waiting === 0), 'all places are back');
  });
});
