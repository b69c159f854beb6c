/*
 * Makes a golden directory: `node packages/conformance/golden/make.ts NAME LAYOUT [PROGRAM]`, with the path of the `dsom` of the version whose bytes
 * are to be kept (bin/dsom.mjs of a checkout of it; this one when left out). An existing one is never made again.
 *
 * Everything that a store can hold is written, some of it before a stop in order and some after it, and then the server is killed: so a checkpoint
 * of the metadata, a log that goes on from it, and open windows on the devices are all there.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dsom, portRow, until } from '../cluster/cluster.support.ts';
import { pathOf, send } from '../src/request.ts';
import { bin, startServer } from '../src/server.ts';
import { packFolder } from './archive.ts';
import { fillBorrowed } from './borrowed.ts';
import { fillChecksums } from './checksums.ts';
import { asking, goldenFolder, killMember, type Layout, layouts, type Manifest, membersOf } from './golden.ts';
import { inventoryOf } from './inventory.ts';
import { fillNamed } from './named.ts';
import { fillReplicated } from './replicated.ts';
import { fillWhole } from './whole.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes that do not compress, the same at every run. */
function dense(name: string, size: number): Buffer {
  const pieces: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++) pieces.push(createHash('sha256').update(`${name} ${i}`).digest());
  return Buffer.concat(pieces).subarray(0, size);
}

const prose = (size: number): Buffer => Buffer.alloc(size, 'bytes that compress well, over and over. ');

function filler(endpoint: string, coded: boolean) {
  const must = async (method: string, at: string, options: Parameters<typeof send>[3] = {}) => {
    const answer = await send(endpoint, method, at, options);
    if (answer.status >= 300) throw new Error(`${method} ${at}: ${answer.status} ${answer.text()}`);
    return answer;
  };
  const put = (bucket: string, key: string, body: Buffer, headers: Record<string, string> = {}) =>
    must('PUT', pathOf(bucket, key), { body, headers });
  const begin = async (bucket: string, key: string): Promise<string> =>
    String((await must('POST', pathOf(bucket, key), { query: { uploads: '' } })).element('UploadId'));
  const part = async (bucket: string, key: string, uploadId: string, partNumber: number, body: Buffer) => {
    const query = { partNumber: String(partNumber), uploadId };
    return (await must('PUT', pathOf(bucket, key), { query, body })).headers['etag'] as string;
  };
  return {
    async first(): Promise<void> {
      await must('PUT', '/plain');
      await must('PUT', '/history');
      const tagging = '<Tagging><TagSet><Tag><Key>team</Key><Value>blue</Value></Tag></TagSet></Tagging>';
      const md5 = createHash('md5').update(tagging).digest('base64');
      await must('PUT', '/plain', { query: { tagging: '' }, body: tagging, headers: { 'content-md5': md5 } });
      await put('plain', 'empty', Buffer.alloc(0));
      await put('plain', 'inline', dense('inline', 1000), {
        'content-type': 'text/x-golden',
        'cache-control': 'no-cache',
        'x-amz-meta-made': 'first',
        'x-amz-tagging': 'a=1&b=2',
      });
      await put('plain', 'inline prose/ü ✓', prose(3000));
      await put('plain', 'striped', dense('striped', 40 * KiB));
      await put('plain', 'two stripes', prose(9 * MiB));
      await put('plain', 'checked', dense('checked', 10_000), { 'x-amz-checksum-algorithm': 'CRC32C' });
      await put('history', 'key', dense('null', 500));
      const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      await must('PUT', '/history', { query: { versioning: '' }, body: enabled });
      await put('history', 'key', dense('second', 6000));
      await put('history', 'key', dense('third', 700), { 'x-amz-meta-n': '3' });
      await put('history', 'gone', dense('gone', 20_000));
      await must('DELETE', pathOf('history', 'gone'));
      if (coded) {
        const code = { 'x-dsom-redundancy': '2+1' };
        await put('plain', 'coded', dense('coded', 90 * KiB), code);
        await put('plain', 'coded prose', prose(9 * MiB), code);
      }
    },
    /** After a stop in order. */
    async second(): Promise<void> {
      const uploadId = await begin('plain', 'parts');
      const etags = [
        await part('plain', 'parts', uploadId, 1, prose(5 * MiB)),
        await part('plain', 'parts', uploadId, 2, dense('part', 20 * KiB)),
      ];
      const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      await must('POST', pathOf('plain', 'parts'), { query: { uploadId }, body });
      const open = await begin('plain', 'open');
      await part('plain', 'open', open, 1, prose(5 * MiB));
      await part('plain', 'open', open, 3, dense('open', 12 * KiB));
      await put('plain', 'copy', Buffer.alloc(0), { 'x-amz-copy-source': '/plain/parts' });
      for (const line of ['one', 'two'])
        await must('POST', '/-/v1/buckets/plain/objects/log', { query: { append: '' }, body: dense(line, 5000) });
      await put('plain', 'striped', dense('striped again', 30 * KiB));
      await put('plain', 'deleted', dense('deleted', 30 * KiB));
      await must('DELETE', pathOf('plain', 'deleted'));
      await put('history', 'late', dense('late', 300));
      await must('DELETE', pathOf('history', 'key'));
    },
  };
}

/** Its feature is turned on a moment after the first start. */
const growCluster = (endpoint: string) =>
  until('the cluster may get more shards', 30_000, async () => {
    await dsom(endpoint, 'cluster', 'shards', 'grow', '2');
    return true;
  });

/** Two keys are held, of three that there were. */
async function rotate(endpoint: string): Promise<void> {
  await dsom(endpoint, 'key', 'master', 'rotate', '--wait');
  await dsom(endpoint, 'key', 'master', 'remove', '--end-sessions', '--wait');
  await dsom(endpoint, 'key', 'master', 'rotate', '--wait');
}

async function make(name: string, layout: Layout, program: string): Promise<void> {
  const target = path.join(goldenFolder, name);
  if (existsSync(target)) throw new Error(`${target} exists, and is never made again`);
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-golden-'));
  const { directories, flags, first, coded } = layouts[layout];
  const data = directories.map((one) => path.join(folder, one));
  try {
    let server = await startServer(data, { program, flags: [...flags, ...first], port: await portRow() });
    await filler(server.endpoint, coded).first();
    if (layout === 'whole') await fillWhole(server.endpoint);
    if (layout === 'named' || layout === 'rotated') await fillNamed(server.endpoint);
    if (layout === 'rotated') await rotate(server.endpoint);
    if (layout === 'borrowed') await fillBorrowed(server.endpoint);
    if (layout === 'checksums') await fillChecksums(server.endpoint);
    if (layout === 'replicated') await fillReplicated(server.endpoint);
    if (layout === 'grown') await growCluster(server.endpoint);
    await server.stop();
    server = await startServer(data, { program, flags, port: server.port });
    if (layout === 'grown')
      await until('the shards are in use', 30_000, async () => {
        await dsom(server.endpoint, 'bucket', 'reshard', 'plain', '--to', '2');
        return true;
      });
    await filler(server.endpoint, coded).second();
    if (layout === 'members') {
      await dsom(server.endpoint, 'cluster', 'invite', '--expires', '604800');
      await dsom(server.endpoint, 'rebalance', 'limit', '64MiB');
      await dsom(server.endpoint, 'cluster', 'rotate-authority', '--wait');
    }
    const inventory = await inventoryOf(server.endpoint);
    const members = layout === 'members' || layout === 'grown' ? await membersOf(server.endpoint) : undefined;
    const answers = await asking[layout]?.(server.endpoint);
    await server.stop('SIGKILL');
    killMember(data[0] as string);
    mkdirSync(target, { recursive: true });
    const manifest: Manifest = { layout, ...(members && { members }), ...(answers && { answers }), inventory };
    writeFileSync(path.join(target, 'manifest.json'), `${JSON.stringify(manifest, undefined, 1)}\n`);
    writeFileSync(path.join(target, 'data.zst'), packFolder(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [name, layout, program = bin] = process.argv.slice(2);
if (name === undefined || layout === undefined || !(layout in layouts)) {
  console.error(`usage: make.ts NAME ${Object.keys(layouts).join('|')} [PROGRAM]`);
  process.exit(2);
}
await make(name, layout as Layout, program);
