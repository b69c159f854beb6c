/*
 * Real processes killed at random under load: nothing acknowledged may be lost, nothing may be half visible, and the next start needs no hand.
 *
 * Each key has one writer, so after a restart it must hold what was acknowledged last, or what was under way when the server died.
 * `DSOM_KILL_CYCLES=500 npm run test:crash` for the long form; `DSOM_KILL_SEED` repeats the choices of a run (not its timing).
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { type Server, startServer } from '../src/server.ts';

const cycles = Number(process.env['DSOM_KILL_CYCLES'] ?? 50);
const seed = Number(process.env['DSOM_KILL_SEED'] ?? Date.now() % 1e9);
const writers = 8;
const keysOfWriter = 24;
const MiB = 1 << 20;
const sizes = [0, 200, 4096, 4097, 5000, 70_000, MiB, 9 * MiB];

/** What a key may hold: undefined stands for "no object". */
interface Expectation {
  acknowledged: string | undefined;
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

test(`kill -9 under load, ${cycles} times (seed ${seed})`, { timeout: 60_000 + cycles * 20_000 }, async () => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-kill-'));
  const data = [path.join(folder, 'a'), path.join(folder, 'b')];
  const roll = dice(seed);
  const expected = new Map<string, Expectation>();
  let server = await startServer(data);
  assert.equal((await send(server.endpoint, 'PUT', '/kill')).status, 200);
  let acknowledged = 0;
  let slowest = 0;

  for (let cycle = 0; cycle < cycles; cycle++) {
    let going = true;
    const work = Array.from({ length: writers }, async (_, writer) => {
      while (going) {
        const key = `w${writer}/${Math.floor(roll() * keysOfWriter)}`;
        const state = expected.get(key) ?? { acknowledged: undefined, flying: undefined };
        expected.set(key, state);
        const { content, run } = await writeOnce(server, key, roll);
        state.flying = { content };
        let answer: Answer;
        try {
          answer = await run();
        } catch {
          return;
        }
        const { status } = answer;
        assert.ok(status === 200 || status === 204, `${key}: the server answered ${status} ${answer.text()}`);
        state.acknowledged = content;
        state.flying = undefined;
        acknowledged++;
      }
    });
    await sleep(200 + roll() * 1300);
    const killed = server.stop('SIGKILL');
    going = false;
    await killed;
    await Promise.all(work);

    server = await startServer(data);
    slowest = Math.max(slowest, server.startMs);
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
      const answer = await send(server.endpoint, 'GET', pathOf('kill', key));
      assert.ok(
        answer.status === 200 || answer.status === 404,
        `cycle ${cycle}, ${key}: ${answer.status} ${answer.text().slice(0, 300)}`,
      );
      assert.ok(answer.complete, `cycle ${cycle}, ${key}: the body broke off`);
      const now = answer.status === 200 ? md5(answer.body) : undefined;
      const allowed = now === state.acknowledged || (state.flying !== undefined && now === state.flying.content);
      assert.ok(
        allowed,
        `cycle ${cycle}, ${key} holds ${now}, neither ${state.acknowledged} (acknowledged) nor ${state.flying?.content} (under way)`,
      );
      assert.equal(listed.has(key), now !== undefined, `cycle ${cycle}, ${key}: the listing disagrees with GET`);
      state.acknowledged = now;
      state.flying = undefined;
    }
  }
  assert.ok(acknowledged > cycles * 5, `only ${acknowledged} writes were acknowledged`);
  assert.equal(await server.stop(), 0);
  rmSync(folder, { recursive: true, force: true });
  console.log(`${cycles} kills, ${acknowledged} acknowledged writes, 0 lost; slowest start ${slowest.toFixed(0)} ms`);
});
