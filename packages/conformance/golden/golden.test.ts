/*
 * Data directories of earlier versions, as a crash left them: this version reads everything that is in them, finds nothing wrong with them, and goes on
 * writing. packages/server/golden/README.md says when one is added; none is ever changed.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { etcdMissing, portRow } from '../cluster/cluster.support.ts';
import { dsom, fsck } from '../faults/process.support.ts';
import { pathOf, send } from '../src/request.ts';
import { type Server, startServer } from '../src/server.ts';
import { packFolder, unpackFolder } from './archive.ts';
import { asking, goldenFolder, killMember, type Layout, layouts, type Manifest, membersOf } from './golden.ts';
import { type Inventory, inventoryOf } from './inventory.ts';
import { wordless } from './whole.ts';

const names = readdirSync(goldenFolder, { withFileTypes: true })
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  .sort();

interface Opened {
  readonly data: readonly string[];
  readonly manifest: Manifest;
  start(): Promise<Server>;
}

function open(t: TestContext, name: string): Opened {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-golden-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const manifest = JSON.parse(readFileSync(path.join(goldenFolder, name, 'manifest.json'), 'utf8')) as Manifest;
  unpackFolder(readFileSync(path.join(goldenFolder, name, 'data.zst')), folder);
  const { directories, flags } = layouts[manifest.layout];
  const data = directories.map((one) => path.join(folder, one));
  const start = async (): Promise<Server> => {
    const server = await startServer(data, { flags, ...(isCluster(manifest.layout) && { port: await portRow() }) });
    t.after(async () => {
      await server.stop('SIGKILL').catch(() => {});
      killMember(data[0] as string);
    });
    return server;
  };
  return { data, manifest, start };
}

const isCluster = (layout: Layout): boolean => layout === 'cluster' || layout === 'members' || layout === 'grown';
const missing = (layout: Layout): string | false => (isCluster(layout) ? etcdMissing : false);
const clean = (counts: Readonly<Record<string, number>>) => assert.deepEqual(counts, {}, 'fsck finds nothing');

/** The open upload is completed, and everything that there is is added to, replaced and deleted. */
async function goOn(endpoint: string, { buckets }: Inventory): Promise<void> {
  const must = async (method: string, at: string, options: Parameters<typeof send>[3] = {}) => {
    const answer = await send(endpoint, method, at, options);
    assert.ok(answer.status < 300, `${method} ${at}: ${answer.status} ${answer.text()}`);
    return answer;
  };
  for (const { name, uploads, versions } of buckets) {
    for (const { key, uploadId, parts } of uploads) {
      const items = parts.map(
        ([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`,
      );
      const body = `<CompleteMultipartUpload>${items.join('')}</CompleteMultipartUpload>`;
      await must('POST', pathOf(name, key), { query: { uploadId }, body });
      const size = parts.reduce((sum, part) => sum + Number(part[2]), 0);
      assert.equal((await must('GET', pathOf(name, key))).body.length, size);
    }
    const size = 100_000;
    const content = createHash('sha256')
      .update(name)
      .digest()
      .toString('hex')
      .repeat(size / 64);
    await must('PUT', pathOf(name, 'new'), { body: content });
    assert.equal((await must('GET', pathOf(name, 'new'))).text(), content);
    const live = versions.filter(({ marker, isLatest }) => !marker && isLatest === 'true');
    for (const [i, { key, versionId }] of live.entries()) {
      if (i % 3 === 0) await must('PUT', pathOf(name, key), { body: 'replaced' });
      else if (i % 3 === 1) await must('DELETE', pathOf(name, key), { query: { versionId } });
      else
        await must('PUT', pathOf(name, `${key} copied`), {
          headers: { 'x-amz-copy-source': `/${name}/${encodeURIComponent(key)}` },
        });
    }
    for (const { key, sha256, versionId } of live.filter((_, i) => i % 3 === 2)) {
      for (const one of [key, `${key} copied`]) {
        const { body } = await must('GET', pathOf(name, one));
        assert.equal(createHash('sha256').update(body).digest('hex'), sha256, `${one} (${versionId})`);
      }
    }
  }
}

test('there are golden directories', () => {
  assert.ok(names.length >= 11, names.join());
});

for (const name of names) {
  const { layout } = JSON.parse(readFileSync(path.join(goldenFolder, name, 'manifest.json'), 'utf8')) as Manifest;
  test(`${name}: everything is read, nothing is wrong, and it goes on`, { skip: missing(layout) }, async (t) => {
    const { data, manifest, start } = open(t, name);
    let server = await start();
    assert.deepEqual(await inventoryOf(server.endpoint), manifest.inventory);
    if (manifest.members) {
      const { features, authority } = await membersOf(server.endpoint);
      assert.equal(authority, manifest.members.authority);
      for (const feature of manifest.members.features) assert.ok(features.includes(feature), feature);
    }
    const answers = await asking[layout]?.(server.endpoint);
    assert.deepEqual(answers && wordless(answers), manifest.answers && wordless(manifest.answers));
    clean((await fsck(server.endpoint)).counts);
    await goOn(server.endpoint, manifest.inventory);
    const after = await inventoryOf(server.endpoint);
    clean((await fsck(server.endpoint)).counts);
    assert.equal(await server.stop(), 0, server.output());
    server = await start();
    assert.deepEqual(await inventoryOf(server.endpoint), after);
    assert.equal(await server.stop(), 0, server.output());
    if (isCluster(layout)) return;
    const { output, code } = await dsom(['fsck', '--json', ...data.flatMap((one) => ['--data', one])]);
    assert.equal(code, 0, output);
  });
}

test('an archive gives back what was packed, and the same archive again', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-golden-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const packed = readFileSync(path.join(goldenFolder, names[0] as string, 'data.zst'));
  unpackFolder(packed, folder);
  assert.ok(packFolder(folder).equals(packed));
});
