import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { etagText } from './etag.ts';
import { uploadIdText, versionIdText } from './ids.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, openService, plain, type Service } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

/*
 * Random operations on a few keys of two buckets, one with versions and one without, against a plain map of bytes.
 * After every run each version that ever was is compared byte for byte, and what lies on the devices is exactly what metadata knows of.
 */

const frame = limits.frameBytes;
const keys = ['a', 'b'];
const buckets = ['plain', 'kept'];

const size = fc.oneof(
  fc.constantFrom(0, 1, 4095, 4096, 4097, frame - 1, frame, frame + 1),
  fc.nat(9000),
  fc.nat({ max: 3 * frame }),
);
const place = fc.record({ bucket: fc.constantFrom(...buckets), key: fc.constantFrom(...keys) });
const bytes = fc.record({ size, seed: fc.nat(1000), prose: fc.boolean() });

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), to: place, bytes, whole: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), to: place, bytes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('copy' as const), from: place, to: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), to: place, oldest: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('patch' as const), to: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('upload' as const), to: place, bytes, from: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('break' as const), to: place, bytes, at: fc.nat(frame * 3) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('range' as const), from: place, start: fc.nat(9999), end: fc.nat(9999) }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** Versions of a key, newest first; undefined is a marker. */
type History = { id: string; bytes: Buffer | undefined }[];

class Model {
  readonly histories = new Map<string, History>();

  of(to: { bucket: string; key: string }): History {
    const name = `${to.bucket}/${to.key}`;
    const found = this.histories.get(name) ?? [];
    this.histories.set(name, found);
    return found;
  }

  write(to: { bucket: string; key: string }, id: string, content: Buffer | undefined): void {
    const history = this.of(to);
    if (to.bucket === 'plain') history.length = 0;
    if (to.bucket !== 'plain' || content) history.unshift({ id, bytes: content });
  }
}

function make({ size: length, seed, prose }: { size: number; seed: number; prose: boolean }): Buffer {
  return prose ? Buffer.alloc(length, `words of ${seed}, `) : noise(length, seed);
}

const at = ({ bucket, key }: { bucket: string; key: string }, versionId?: string) => ({
  bucket,
  key: Buffer.from(key),
  versionId,
  guard: undefined,
});

async function run(service: Service, model: Model, step: Operation): Promise<void> {
  const { objects } = service;
  if (step.kind === 'put') {
    const content = make(step.bytes);
    const { version } = await service.put(step.to.bucket, step.to.key, content, { body: bodyOf(content, step.whole) });
    model.write(step.to, versionIdText(version), content);
  } else if (step.kind === 'append') {
    const content = make(step.bytes);
    const before = model.of(step.to)[0]?.bytes ?? Buffer.alloc(0);
    const request = {
      ...plain,
      ...at(step.to),
      owner: 'o',
      body: bodyOf(content),
      expected: {},
      redundancy: undefined,
    };
    const { version } = await objects.append({ ...request, offset: before.length });
    model.write(step.to, versionIdText(version), Buffer.concat([before, content]));
  } else if (step.kind === 'copy') {
    const content = model.of(step.from)[0]?.bytes;
    const metadata = [['n', 'v']] as const;
    const request = { source: at(step.from), ...at(step.to), owner: 'o', storageClass: 'STANDARD', metadata };
    const copying = objects.copy({ ...request, checksumAlgorithm: undefined });
    if (!content) await assert.rejects(copying, (error: StoreError) => error.code === 'NoSuchKey');
    else model.write(step.to, versionIdText((await copying).version), content);
  } else if (step.kind === 'patch') {
    const content = model.of(step.to)[0]?.bytes;
    const patching = objects.patch({ ...at(step.to), owner: 'o', metadata: { clear: false, set: [['x', 'y']] } });
    if (!content) await assert.rejects(patching, (error: StoreError) => error.code === 'NoSuchKey');
    else model.write(step.to, versionIdText((await patching).version), content);
  } else if (step.kind === 'delete') {
    const history = model.of(step.to);
    const versionId = step.oldest && step.to.bucket === 'kept' ? history.at(-1)?.id : undefined;
    const [result] = await objects.delete(step.to.bucket, 'o', [at(step.to, versionId)]);
    if (versionId !== undefined) history.pop();
    else model.write(step.to, result?.version && result.marker ? versionIdText(result.version) : '', undefined);
  } else if (step.kind === 'upload') await upload(service, model, step);
  else if (step.kind === 'break') {
    const content = make(step.bytes);
    async function* breaking() {
      yield* bodyOf(content.subarray(0, step.kind === 'break' ? step.at : 0)).stream;
      throw new Error('gone');
    }
    const body = { stream: breaking(), length: content.length };
    await assert.rejects(service.put(step.to.bucket, step.to.key, content, { body }));
  } else {
    const content = model.of(step.from)[0]?.bytes;
    if (!content) return;
    const [start, end] = [step.start % (content.length + 1), step.end % (content.length + 1)].sort((a, b) => a - b);
    const reading = await objects.read(at(step.from));
    const slice = { start: start as number, end: end as number };
    const expected = content.subarray(slice.start, slice.end);
    const given = reading.immediate(slice);
    if (given) assert.ok(given.equals(expected));
    assert.ok((await gathered(reading.open(slice))).equals(expected));
  }
}

async function upload(service: Service, model: Model, step: Extract<Operation, { kind: 'upload' }>): Promise<void> {
  const { objects } = service;
  const from = model.of(step.from)[0]?.bytes;
  const request = { ...plain, ...at(step.to), owner: 'o', checksumAlgorithm: undefined, checksumType: undefined };
  const uploadId = uploadIdText((await objects.createUpload(request)).id);
  const content = make(step.bytes);
  const target = { ...at(step.to), uploadId };
  const part = from
    ? (await objects.copyPart({ ...target, number: 2, source: at(step.from), slice: undefined })).part
    : await objects.putPart({ ...target, number: 2, body: bodyOf(content), expected: {} });
  await objects.putPart({ ...target, number: 3, body: bodyOf(content), expected: {} });
  const etag = etagText({ etag: part.piece.md5, etagParts: 0 });
  const parts = [{ number: 2, etag, checksum: undefined }];
  const { version } = await objects.completeUpload({
    ...target,
    guard: undefined,
    parts,
    checksum: undefined,
    size: undefined,
  });
  model.write(step.to, versionIdText(version), from ?? content);
}

async function compare(service: Service, model: Model): Promise<void> {
  for (const [name, history] of model.histories) {
    const [bucket, key] = name.split('/') as [string, string];
    for (const { id, bytes: content } of history) {
      if (content) assert.ok((await service.get(bucket, key, id)).equals(content), `${name} ${id}`);
    }
    const newest = history[0]?.bytes;
    if (newest) assert.ok((await service.get(bucket, key)).equals(newest), name);
    else await assert.rejects(service.get(bucket, key), (error: StoreError) => error.code === 'NoSuchKey', name);
  }
  for (const id of service.stripes.held.keys()) {
    assert.ok(service.metadata.reader.stripeOwner(Buffer.from(id, 'hex')), 'every stripe on a device is known');
  }
  const known = service.metadata.reader.stripes(Buffer.alloc(16), 100_000);
  for (const { stripe } of known)
    assert.ok(service.stripes.held.has(stripe.toString('hex')), 'every known stripe is there');
  assert.equal(service.stripes.openWriters(), 0);
  assert.equal(service.stripes.settled.size, service.stripes.created());
}

for (const shards of [0, 2, 4])
  test(`any operations give what a map gives, and leave nothing that nobody knows of, with ${shards} object shards`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (steps) => {
        const service = await openService({ cacheBytes: 2 ** 20, shards });
        for (const name of buckets) {
          const versioning = name === 'kept' ? 'enabled' : 'off';
          await service.objects.createBucket({ name, owner: 'o', region: 'r', versioning });
        }
        const model = new Model();
        for (const step of steps) await run(service, model, step);
        await compare(service, model);
      }),
      { numRuns: shards === 0 ? 80 : 40 },
    );
  });
