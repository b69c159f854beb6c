/*
 * Real processes killed at random under load: nothing acknowledged may be lost, nothing may be half visible, and the next start needs no hand.
 *
 * Each key has one writer, so after a restart it must hold what was acknowledged last, or what was under way when the server died. All bytes are read of what was
 * written in that cycle, and of every key after each tenth kill and after the last; in between, a key that nobody wrote must be there or not, as before, with its ETag and length.
 * `npm run test:kill` for the long form of 500 cycles, whose result is kept in results/; `DSOM_KILL_CYCLES` for other numbers, `DSOM_KILL_SEED`
 * to repeat the choices of a run (not its timing).
 *
 * A process that is stopped for half a minute (a machine put to sleep, SIGSTOP) sends nothing for so long, and its requests rightly end in RequestTimeout.
 * Such a pause is told from a server's mistake: this process watches its own clock, and a failure says how long it stood still.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { patienceMs, type Server, startServer } from '../src/server.ts';

const cycles = Number(process.env['DSOM_KILL_CYCLES'] ?? 50);
const seed = Number(process.env['DSOM_KILL_SEED'] ?? Date.now() % 1e9);
const writers = 8;
const keysOfWriter = 24;
const MiB = 1 << 20;
const sizes = [0, 200, 4096, 4097, 5000, 70_000, MiB, 9 * MiB];

/** What a key may hold: undefined stands for "no object". */
interface Expectation {
  acknowledged: string | undefined;
  /** ETag of what it holds, as of the last look; an absent object has none. */
  etag: string | undefined;
  /** Whether something was written to it since. */
  touched: boolean;
  /** Set while a request is under way whose outcome is open. */
  flying: { readonly content: string | undefined } | undefined;
}

function dice(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Longest time that this process stood still since it was last asked, ms. */
function watchOwnClock(): { longest(): number; stop(): void } {
  const period = 50;
  let last = performance.now();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - period);
    last = now;
  };
  const timer = setInterval(look, period).unref();
  return {
    longest() {
      look();
      const found = longest;
      longest = 0;
      return found;
    },
    stop: () => clearInterval(timer),
  };
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

async function writeOnce(
  server: Server,
  key: string,
  roll: () => number,
): Promise<{ content: string | undefined; run: () => Promise<Answer> }> {
  const choice = roll();
  if (choice < 0.15) return { content: undefined, run: () => send(server.endpoint, 'DELETE', pathOf('kill', key)) };
  const body = randomBytes(sizes[Math.floor(roll() * sizes.length)] as number);
  if (choice < 0.22) {
    const parts = [randomBytes(5 * MiB), body];
    return { content: md5(Buffer.concat(parts)), run: () => multipart(server, key, parts) };
  }
  return {
    content: md5(body),
    run: () => send(server.endpoint, 'PUT', pathOf('kill', key), { body }),
  };
}

/** Answers the first refusal, else the completion. */
async function multipart(server: Server, key: string, parts: readonly Buffer[]): Promise<Answer> {
  const target = pathOf('kill', key);
  const created = await send(server.endpoint, 'POST', target, { query: { uploads: '' } });
  const uploadId = created.element('UploadId');
  if (uploadId === undefined) return created;
  let list = '';
  for (const [index, body] of parts.entries()) {
    const answer = await send(server.endpoint, 'PUT', target, {
      query: { uploadId, partNumber: String(index + 1) },
      body,
    });
    if (answer.status !== 200) return answer;
    list += `<Part><PartNumber>${index + 1}</PartNumber><ETag>${answer.headers.etag}</ETag></Part>`;
  }
  return send(server.endpoint, 'POST', target, {
    query: { uploadId },
    body: `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`,
  });
}

test(`kill -9 under load, ${cycles} times (seed ${seed})`, { timeout: 300_000 + cycles * 60_000 }, async () => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-kill-'));
  const data = [path.join(folder, 'a'), path.join(folder, 'b')];
  const roll = dice(seed);
  const expected = new Map<string, Expectation>();
  let server = await startServer(data);
  assert.equal((await send(server.endpoint, 'PUT', '/kill')).status, 200);
  let acknowledged = 0;
  let slowest = 0;
  const began = new Date();
  const ownClock = watchOwnClock();
  let longestPause = 0;
  /** Everything that helps to tell why an answer is not what it should be. */
  const evidence = (cycle: number, what: string, answer: Answer, startedAt: number): string =>
    [
      `cycle ${cycle} of seed ${seed}, ${what}: the server answered ${answer.status} after ${(performance.now() - startedAt).toFixed(0)} ms`,
      `headers ${JSON.stringify(answer.headers)}`,
      `body ${answer.text().slice(0, 1000)}`,
      `this process stood still for ${ownClock.longest().toFixed(0)} ms at most in this cycle`,
      `the server printed:\n${server.output().slice(-8000)}`,
    ].join('\n');

  for (let cycle = 0; cycle < cycles; cycle++) {
    let going = true;
    const work = Array.from({ length: writers }, async (_, writer) => {
      while (going) {
        const key = `w${writer}/${Math.floor(roll() * keysOfWriter)}`;
        const state = expected.get(key) ?? {
          acknowledged: undefined,
          etag: undefined,
          touched: false,
          flying: undefined,
        };
        expected.set(key, state);
        const { content, run } = await writeOnce(server, key, roll);
        state.flying = { content };
        state.touched = true;
        let answer: Answer;
        const startedAt = performance.now();
        try {
          answer = await run();
        } catch {
          return;
        }
        const { status } = answer;
        if (status !== 200 && status !== 204) {
          // What it logs of that arrives a moment later.
          await sleep(500);
          assert.fail(evidence(cycle, key, answer, startedAt));
        }
        state.acknowledged = content;
        state.flying = undefined;
        acknowledged++;
      }
    });
    await sleep(200 + roll() * 1300);
    // A machine that does much else may have answered nothing yet.
    for (const end = performance.now() + patienceMs; acknowledged <= 5 * (cycle + 1) && performance.now() < end; )
      await sleep(5);
    if (cycle % 50 === 49) console.log(`${cycle + 1} of ${cycles} kills, ${acknowledged} acknowledged writes`);
    const killed = server.stop('SIGKILL');
    going = false;
    await killed;
    await Promise.all(work);

    longestPause = Math.max(longestPause, ownClock.longest());
    server = await startServer(data);
    slowest = Math.max(slowest, server.startMs);
    const all = cycle % 10 === 9 || cycle === cycles - 1;
    const listed = new Set<string>();
    for (let token: string | undefined = ''; token !== undefined; ) {
      const page = await send(server.endpoint, 'GET', '/kill', {
        query: { 'list-type': '2', ...(token && { 'continuation-token': token }) },
      });
      assert.equal(page.status, 200, page.text());
      for (const key of page.elements('Key')) listed.add(key);
      token = page.element('NextContinuationToken');
    }
    for (const [key, state] of expected) {
      const startedAt = performance.now();
      const whole = state.touched || all;
      const answer = await send(server.endpoint, whole ? 'GET' : 'HEAD', pathOf('kill', key));
      if (answer.status !== 200 && answer.status !== 404) assert.fail(evidence(cycle, `GET ${key}`, answer, startedAt));
      if (!answer.complete) assert.fail(`the body broke off; ${evidence(cycle, `GET ${key}`, answer, startedAt)}`);
      const there = answer.status === 200;
      const etag = there ? `${answer.headers.etag} ${answer.headers['content-length']}` : undefined;
      if (!state.touched) assert.equal(etag, state.etag, `cycle ${cycle}, ${key}, which nobody wrote`);
      const now = whole ? (there ? md5(answer.body) : undefined) : state.acknowledged;
      const allowed = now === state.acknowledged || (state.flying !== undefined && now === state.flying.content);
      assert.ok(
        allowed,
        `cycle ${cycle}, ${key} holds ${now}, neither ${state.acknowledged} (acknowledged) nor ${state.flying?.content} (under way)`,
      );
      assert.equal(listed.has(key), there, `cycle ${cycle}, ${key}: the listing disagrees with GET`);
      Object.assign(state, { acknowledged: now, etag, touched: false, flying: undefined });
    }
  }
  ownClock.stop();
  assert.ok(acknowledged > cycles * 5, `only ${acknowledged} writes were acknowledged`);
  assert.equal(await server.stop(), 0);
  rmSync(folder, { recursive: true, force: true });
  const result = `${cycles} kills, ${acknowledged} acknowledged writes, 0 lost; slowest start ${slowest.toFixed(0)} ms; this process stood still for ${longestPause.toFixed(0)} ms at most`;
  console.log(result);
  if (process.env['DSOM_KILL_SAVE'] === undefined) return;
  const results = path.join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  const minutes = ((Date.now() - began.getTime()) / 60_000).toFixed(1);
  writeFileSync(
    path.join(results, `${began.toISOString().slice(0, 10)}-kill.md`),
    `# kill -9 under load, ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${result}.\n\nNode ${process.version}, ${minutes} minutes, seed ${seed}: \`npm run test:kill\`.\n`,
  );
});
