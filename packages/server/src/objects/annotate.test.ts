import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import { versionIdText } from './ids.ts';
import { codeOf, openService, type Service } from './service.fixture.ts';

/* What is said of an object changes as a whole or not at all, and no change is lost to another one of the same moment. */

const at = (bucket: string, versionId?: string) => ({ bucket, key: Buffer.from('k'), versionId, guard: undefined });

async function open(): Promise<Service> {
  const service = await openService();
  for (const name of ['plain', 'kept']) {
    const versioning = name === 'kept' ? 'enabled' : 'off';
    await service.objects.createBucket({ name, owner: 'o', region: 'r', versioning });
  }
  return service;
}

const newest = async ({ objects }: Service, bucket: string, versionId?: string) =>
  (await objects.read(at(bucket, versionId))).version;

test('changes of the same moment are all there, of the newest version and of one that is named', async () => {
  const step = fc.record({
    field: fc.constantFrom('metadata', 'tags', 'headers'),
    named: fc.boolean(),
    remove: fc.boolean(),
  });
  const property = fc.asyncProperty(
    fc.constantFrom('plain', 'kept'),
    fc.array(step, { minLength: 2, maxLength: 9 }),
    async (bucket, steps) => {
      const service = await open();
      const fields = [
        'contentType',
        'cacheControl',
        'expires',
        'contentLanguage',
        'contentEncoding',
        'contentDisposition',
      ];
      const pairs = steps.map((_, index) => [`n${index}`, 'before'] as const);
      const { version } = await service.put(bucket, 'k', Buffer.from('x'), {
        metadata: pairs,
        tags: pairs,
        headers: Object.fromEntries(fields.map((field) => [field, 'before'])),
      });
      const id = versionIdText(version);
      // In a bucket that keeps versions a patch of the newest leaves the named one: there all are of the same kind.
      const together = steps.map((one) => (bucket === 'kept' ? { ...one, named: steps[0]!.named } : one));
      const nameOf = ({ field }: { field: string }, index: number) =>
        field === 'headers' ? fields[index % fields.length]! : `n${index}`;
      await Promise.all(
        together.map((one, index) =>
          service.objects.patch({
            ...at(bucket, one.named ? id : undefined),
            owner: 'o',
            [one.field]: { clear: false, set: [[nameOf(one, index), one.remove ? null : `after ${index}`]] },
          }),
        ),
      );
      const after = await newest(service, bucket, together[0]!.named && bucket === 'kept' ? id : undefined);
      const said: Record<string, Record<string, string>> = {
        metadata: Object.fromEntries(after.metadata),
        tags: Object.fromEntries(after.tags),
        headers: { ...after.headers },
      };
      const last = new Map(together.map((one, index) => [`${one.field} ${nameOf(one, index)}`, index]));
      for (const [index, one] of together.entries()) {
        const name = nameOf(one, index);
        if (last.get(`${one.field} ${name}`) !== index) continue;
        assert.equal(said[one.field]![name], one.remove ? undefined : `after ${index}`);
      }
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test('tags set in place are not lost to a patch that was under way', async () => {
  const service = await open();
  for (const bucket of ['plain', 'kept']) {
    await service.put(bucket, 'k', Buffer.from('x'));
    await Promise.all([
      service.objects.setTags(at(bucket), [['t', '1']]),
      service.objects.patch({ ...at(bucket), owner: 'o', metadata: { clear: false, set: [['m', '1']] } }),
    ]);
    const { tags, metadata } = await newest(service, bucket);
    assert.deepEqual([tags, metadata], [[['t', '1']], [['m', '1']]]);
  }
});

test('what a change names goes or is set, what it does not name stays, unless it clears all', async () => {
  const service = await open();
  const { objects } = service;
  for (const bucket of ['plain', 'kept']) {
    const { version } = await service.put(bucket, 'k', Buffer.from('x'), {
      headers: { contentType: 'text/plain', cacheControl: 'no-store' },
      metadata: [['a', '1']],
      tags: [['t', '1']],
    });
    for (const versionId of [undefined, versionIdText(version)]) {
      const change = { ...at(bucket, versionId), owner: 'o' };
      const removed = await objects.patch({ ...change, headers: { clear: false, set: [['cacheControl', null]] } });
      assert.deepEqual(removed.version.headers, { contentType: 'text/plain' });
      assert.deepEqual([removed.version.metadata, removed.version.tags], [[['a', '1']], [['t', '1']]]);
      const cleared = await objects.patch({
        ...change,
        headers: { clear: true, set: [['expires', 'never']] },
        metadata: { clear: true, set: [['b', '2']] },
        tags: { clear: true, set: [] },
      });
      const { headers, metadata, tags } = cleared.version;
      assert.deepEqual([headers, metadata, tags], [{ expires: 'never' }, [['b', '2']], []]);
      await objects.patch({
        ...change,
        headers: { clear: true, set: [['contentType', 'text/plain']] },
        metadata: { clear: true, set: [['a', '1']] },
        tags: { clear: true, set: [['t', '1']] },
      });
      if (versionId === undefined && bucket === 'plain') break;
    }
  }
});

test('a change is decided on what is there: its conditions, and the bounds of the result', async () => {
  const service = await open();
  const { objects } = service;
  const { version } = await service.put('kept', 'k', Buffer.from('x'), { metadata: [['a', 'x'.repeat(1500)]] });
  const id = versionIdText(version);
  for (const versionId of [id, undefined]) {
    const set = (name: string, value: string) => ({ clear: false, set: [[name, value]] as const });
    const patch = (more: object) => codeOf(() => objects.patch({ ...at('kept', versionId), owner: 'o', ...more }));
    assert.equal(await patch({ metadata: set('b', 'y'.repeat(1000)) }), 'MetadataTooLarge');
    assert.equal(
      await patch({ headers: set('expires', 'y'.repeat(limits.systemMetadataBytes + 1)) }),
      'MetadataTooLarge',
    );
    const many = Array.from({ length: limits.tags + 1 }, (_, i) => [`t${i}`, 'v'] as const);
    assert.equal(await patch({ tags: { clear: false, set: many } }), 'InvalidTag');
    assert.equal(await patch({ guard: { ifMatch: '"0"' }, metadata: set('b', '1') }), 'PreconditionFailed');
    assert.equal(await patch({ guard: { ifNoneMatch: '*' }, metadata: set('b', '1') }), 'PreconditionFailed');
    const both = await Promise.all([
      patch({ metadata: set('b', 'y'.repeat(300)) }),
      patch({ metadata: set('c', 'y'.repeat(300)) }),
    ]);
    assert.deepEqual(both.sort(), ['MetadataTooLarge', 'no error'], 'each sees what the other did');
  }
  await objects.delete('kept', 'o', [at('kept')]);
  assert.equal(await codeOf(() => objects.patch({ ...at('kept'), owner: 'o' })), 'NoSuchKey');
  assert.equal(await codeOf(() => objects.patch({ ...at('kept', '0'.repeat(32)), owner: 'o' })), 'NoSuchVersion');
  await objects.delete('kept', 'o', [at('kept', id)]);
  assert.equal(await codeOf(() => objects.patch({ ...at('kept', id), owner: 'o' })), 'NoSuchVersion');
});
