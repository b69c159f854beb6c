/*
 * The SDK as a module in a page of another origin, in a real browser.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { send } from '../src/request.ts';
import { credentials } from '../src/server.ts';
import { type Browser, findBrowser, type Page, startBrowser } from './browser.support.ts';
import { openRig, type Rig } from './rig.ts';

const program = findBrowser();
const skip = program === undefined ? 'no browser: install chromium, or name one in DSOM_BROWSER' : false;
const sdk = path.resolve(import.meta.dirname, '../../sdk');
const html = `<!doctype html><meta charset="utf-8"><title>page</title>
<script type="importmap">{ "imports": { "@dsom/sdk": "/sdk/index.js" } }</script>`;

/** Serves the page, its module and the built SDK. */
async function servePage(built: string): Promise<{ readonly origin: string; close(): void }> {
  const module = stripTypeScriptTypes(readFileSync(path.join(import.meta.dirname, 'browser.page.ts'), 'utf8'));
  const server: Server = createServer((request, response) => {
    const name = /^\/sdk\/([\w-]+\.js)$/.exec(request.url ?? '')?.[1];
    const [type, body] =
      request.url === '/'
        ? ['text/html', html]
        : ['text/javascript', name === undefined ? module : readFileSync(path.join(built, name))];
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

describe('the SDK in a browser', { skip, timeout: 5 * 60_000 }, () => {
  let rig: Rig;
  let browser: Browser;
  let page: Page;
  let origin: string;
  const closing: (() => unknown)[] = [];
  /** Calls a function of the page. */
  const call = async <Result>(on: Page, name: string): Promise<Result> => {
    const options = { endpoint: rig.server.endpoint, ...credentials };
    return (await on.evaluate(`import('/page.js').then((page) => page.${name}(${JSON.stringify(options)}))`)) as Result;
  };
  const openPage = async () => {
    const served = await servePage(path.join(rig.scratch, 'sdk'));
    closing.push(served.close);
    return served.origin;
  };

  before(async () => {
    rig = await openRig('browser', async (scratch) => {
      execFileSync(process.execPath, [path.join(sdk, 'build.mjs'), path.join(scratch, 'sdk')]);
      const served = await servePage(path.join(scratch, 'sdk'));
      closing.push(served.close);
      origin = served.origin;
      return ['--allow-origin', origin];
    });
    const profile = path.join(rig.scratch, 'profile');
    mkdirSync(profile);
    browser = await startBrowser(program as string, profile);
    page = await browser.open(`${origin}/`);
  });
  after(async () => {
    await browser?.close();
    for (const close of closing) close();
    await rig?.close();
  });

  test('writes, reads, lists and deletes objects with any key', async () => {
    const seen = await call<Record<string, unknown>>(page, 'objects');
    const keys = ['plain', 'a/b c', 'ü/€/😀', 'a/../b', "!'()*~", 'q?x=1&y#z', '100%+'];
    assert.deepEqual(
      seen['got'],
      keys.map((key) => [key, key, key]),
    );
    const { size, contentType, etag, versionId, guk, tagCount } = seen['info'] as Record<string, unknown>;
    assert.deepEqual(
      [size, contentType, etag, tagCount],
      [5, 'text/x', createHash('md5').update('plain').digest('hex'), 1],
    );
    assert.match(String(versionId), /^[0-9a-f]{32}$/);
    assert.match(String(guk), /^[0-9a-f-]{32,36}$/);
    const expected = keys.map((key) => `k/${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(seen['listed'], expected);
    assert.deepEqual(seen['folded'], ["k/!'()*~", 'k/100%+', 'k/a/', 'k/plain', 'k/q?x=1&y#z', 'k/ü/']);
    assert.deepEqual([seen['tags'], seen['left'], seen['after']], [{ a: 'b c' }, [], []]);
    assert.deepEqual(seen['markers'], [true, false]);
  });

  test('reads by streams, ranges, and gives up in the middle', async () => {
    const seen = await call<Record<string, unknown>>(page, 'streams');
    assert.equal(seen['same'], true);
    assert.ok((seen['chunks'] as number) > 1, `${seen['chunks']} chunk`);
    assert.deepEqual(seen['range'], seen['expected']);
    assert.deepEqual(seen['bounds'], [1 << 20, 5, 3 << 20]);
  });

  test('sends files and streams in parallel parts with progress, and aborts', async () => {
    const seen = await call<Record<string, unknown>>(page, 'parts');
    assert.match(String(seen['etag']), /^[0-9a-f]{32}-4$/);
    assert.deepEqual([seen['size'], seen['type'], seen['same']], [18 << 20, 'video/mp4', true]);
    const progress = seen['progress'] as [number, number][];
    assert.ok(progress.length >= 4);
    for (const [index, [loaded, total]] of progress.entries())
      assert.ok(total === 18 << 20 && loaded >= (progress[index - 1]?.[0] ?? 0), JSON.stringify(progress));
    assert.equal(progress.at(-1)?.[0], 18 << 20);
    assert.equal(seen['streamEtag'], seen['etag']);
    assert.equal(seen['streamSame'], true);
    assert.deepEqual([seen['aborted'], seen['open']], ['Error: changed my mind', 0]);
  });

  test('presigned addresses work without the SDK, and so do their refusals', async () => {
    const seen = await call<Record<string, unknown>>(page, 'presigned');
    const etag = `"${createHash('md5').update('from a page').digest('hex')}"`;
    assert.deepEqual(seen['put'], [200, etag]);
    assert.deepEqual(seen['got'], [200, 'from a page', 'attachment', etag]);
    assert.deepEqual(seen['refused'], [403, 'SignatureDoesNotMatch']);
  });

  test('failures have their codes, and a wrong clock is corrected', async () => {
    const seen = await call<Record<string, { code: string; status: number; hasRequestId: boolean }>>(page, 'errors');
    const { wrongClock, ...failures } = seen;
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(failures).map(([name, { code, status, hasRequestId }]) => [name, [code, status, hasRequestId]]),
      ),
      {
        noKey: ['NoSuchKey', 404, true],
        noKeyHead: ['NoSuchKey', 404, true],
        noBucket: ['NoSuchBucket', 404, true],
        exists: ['PreconditionFailed', 412, true],
        notModified: ['NotModified', 304, true],
        signature: ['SignatureDoesNotMatch', 403, true],
        keyId: ['InvalidAccessKeyId', 403, true],
      },
    );
    assert.equal(wrongClock, 'one');
  });

  test('appends, patches, sessions and health', async () => {
    assert.deepEqual(await call(page, 'native'), {
      text: 'one\ntwo\n',
      colour: 'grün',
      found: 'log',
      tokens: true,
      ok: true,
      clock: true,
      buckets: ['browser'],
    });
  });

  test('a page of an origin that was not named can do nothing, and is told why', async () => {
    const stranger = await openPage();
    const seen = await call<Record<string, { code: string; status: number; message: string }>>(
      await browser.open(`${stranger}/`),
      'refused',
    );
    for (const failure of Object.values(seen)) {
      assert.deepEqual([failure.code, failure.status], ['ConnectionFailed', 0]);
      assert.match(failure.message, new RegExp(`--allow-origin ${stranger}`));
    }
    const evil = await send(rig.server.endpoint, 'HEAD', '/browser/evil');
    assert.equal(evil.status, 404, 'the browser did not send what its question was refused for');
  });
});
