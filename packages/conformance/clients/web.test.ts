/*
 * What few stores have, with real clients: append, rename, uploads by form, websites, configurations by id.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../src/request.ts';
import { credentials, patienceMs } from '../src/server.ts';
import { findBrowser, startBrowser } from './browser.support.ts';
import { openRig, python, type Rig } from './rig.ts';

const site = 'site.test';
let rig: Rig;
before(async () => {
  rig = await openRig('web', () => Promise.resolve(['--website-domain', site]));
});
after(() => rig.close());

test('boto3 appends, renames, posts forms and sets up a website', { timeout: 10 * 60_000 }, async () => {
  await rig.run(python().python, [path.join(import.meta.dirname, 'web_suite.py'), rig.server.endpoint, site]);
});

test('aws sets up a website', { timeout: 10 * 60_000 }, async () => {
  const aws = (...args: string[]) => rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, ...args]);
  await aws('s3', 'mb', 's3://pages');
  await aws('s3', 'website', 's3://pages', '--index-document', 'index.html', '--error-document', 'error.html');
  const got = JSON.parse(await aws('s3api', 'get-bucket-website', '--bucket', 'pages')) as Record<string, unknown>;
  assert.deepEqual(got, { IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'error.html' } });
  await aws('s3api', 'delete-bucket-website', '--bucket', 'pages');
  await assert.rejects(aws('s3api', 'get-bucket-website', '--bucket', 'pages'), /NoSuchWebsiteConfiguration/);
});

const program = findBrowser();
const skip = program === undefined ? 'no browser: install chromium, or name one in DSOM_BROWSER' : false;
const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();

/** Fields of a signed form. */
function signedFields(
  fields: Readonly<Record<string, string>>,
  conditions: readonly unknown[],
): Record<string, string> {
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const about = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKeyId}/${scope}`,
    'x-amz-date': date,
  };
  const expiration = new Date(Date.now() + 600_000).toISOString();
  const policy = Buffer.from(
    JSON.stringify({
      expiration,
      conditions: [...conditions, ...Object.entries(about).map(([name, value]) => ({ [name]: value }))],
    }),
  ).toString('base64');
  const [, region, service, terminal] = scope.split('/') as [string, string, string, string];
  const key = [region, service, terminal].reduce<Buffer>(
    hmac,
    hmac(`AWS4${credentials.secretAccessKey}`, date.slice(0, 8)),
  );
  return { ...fields, ...about, policy, 'x-amz-signature': hmac(key, policy).toString('hex') };
}

describe('a form in a browser', { skip, timeout: 5 * 60_000 }, () => {
  test('uploads the file that was chosen, and is sent on to where its maker said', async () => {
    const { endpoint } = rig.server;
    await send(endpoint, 'PUT', '/forms');
    let origin = '';
    const server = createServer((request, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      if (request.url?.startsWith('/done') === true) return void response.end('<title>done</title>');
      const next = `${origin}/done`;
      const fields = signedFields(
        { key: 'from page/${filename}', 'Content-Type': 'text/plain', success_action_redirect: next },
        [
          { bucket: 'forms' },
          ['starts-with', '$key', 'from page/'],
          { success_action_redirect: next },
          { 'Content-Type': 'text/plain' },
          ['content-length-range', 0, 1 << 20],
        ],
      );
      const inputs = Object.entries(fields).map(
        ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
      );
      response.end(
        `<!doctype html><form action="${endpoint}/forms" method="post" enctype="multipart/form-data">${inputs.join('')}<input type="file" name="file"><input type="submit" name="submit" value="go"></form>`,
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const profile = path.join(rig.scratch, 'profile');
    mkdirSync(profile);
    const browser = await startBrowser(program as string, profile);
    try {
      const page = await browser.open(`${origin}/`);
      const name = 'größe "1".txt';
      await page.evaluate(`(() => {
        const chosen = new DataTransfer();
        chosen.items.add(new File(['a line\\r\\n--and more'], ${JSON.stringify(name)}));
        document.querySelector('[type=file]').files = chosen.files;
        setTimeout(() => document.querySelector('[type=submit]').click());
      })()`);
      let where = '';
      for (let tries = 0; tries < patienceMs / 100 && !where.includes('/done'); tries++) {
        await sleep(100);
        // While the page goes, there is nothing to ask.
        where = String(await page.evaluate('location.href').catch(() => ''));
      }
      const { pathname, searchParams } = new URL(where);
      assert.deepEqual(
        [pathname, searchParams.get('bucket'), searchParams.get('key')],
        ['/done', 'forms', `from page/${name}`],
      );
      const got = await send(endpoint, 'GET', `/forms/from%20page/${encodeURIComponent(name)}`);
      assert.deepEqual(
        [got.status, got.text(), got.headers['content-type']],
        [200, 'a line\r\n--and more', 'text/plain'],
      );
      assert.equal(got.headers.etag, searchParams.get('etag'));
    } finally {
      await browser.close();
      server.close();
    }
  });
});
