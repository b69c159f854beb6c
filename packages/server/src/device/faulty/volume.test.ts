import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost } from '../../host/index.ts';
import { memoryVolume } from '../memory/volume.ts';
import { type Fault, faultyVolume, type VolumeCall } from './volume.ts';

const host = manualHost();

/** A file holding `old`, then one write of `new` with that fault on the given call. */
async function after(call: VolumeCall['call'], fault: Fault): Promise<string> {
  let armed = false;
  const volume = faultyVolume(memoryVolume(), (at) => (armed && at.call === call ? fault : undefined), host);
  const file = await volume.open('a', 'create');
  await file.write([Buffer.from('oldoldold')], 0);
  armed = true;
  await file.write([Buffer.from('new')], 3);
  const into = Buffer.alloc(9);
  await file.read(into, 0);
  return into.toString();
}

describe('faulty volume', () => {
  it('does each kind of harm', async () => {
    assert.equal(await after('write', { kind: 'lost' }), 'oldoldold');
    assert.equal(await after('write', { kind: 'torn', bytes: 2 }), 'oldnedold');
    assert.equal(await after('write', { kind: 'misdirected', by: 3 }), 'oldoldnew');
    assert.equal(await after('write', { kind: 'misdirected', by: -100 }), 'newoldold');
    assert.equal(await after('write', { kind: 'flip', bit: 8 }), 'oldndwold');
    assert.equal(await after('read', { kind: 'flip', bit: 0 }), 'nldnewold');
    assert.equal(await after('read', { kind: 'stale' }), 'oldoldold');
    for (const call of ['read', 'write'] as const) {
      for (const code of ['EIO', 'ENOSPC'] as const) {
        await assert.rejects(after(call, { kind: 'error', code }), { code });
      }
    }
  });

  it("leaves the caller's bytes alone", async () => {
    const volume = faultyVolume(
      memoryVolume(),
      ({ call }) => (call === 'write' ? { kind: 'flip', bit: 0 } : undefined),
      host,
    );
    const bytes = Buffer.from('mine');
    await (await volume.open('a', 'create')).write([bytes], 0);
    assert.equal(bytes.toString(), 'mine');
  });

  it('can fail or delay every call', async () => {
    const failing = faultyVolume(memoryVolume(), () => ({ kind: 'error', code: 'EIO' }), host);
    await assert.rejects(failing.open('a', 'create'), { code: 'EIO' });
    await assert.rejects(failing.list(), { code: 'EIO' });
    await assert.rejects(failing.rename('a', 'b'), { code: 'EIO' });
    await assert.rejects(failing.remove('a'), { code: 'EIO' });
    await assert.rejects(failing.syncDirectory(), { code: 'EIO' });
    await assert.rejects(failing.capacity(), { code: 'EIO' });

    const slow = faultyVolume(memoryVolume(), () => ({ kind: 'slow', milliseconds: 50 }), host);
    let listed = false;
    const listing = slow.list().then(() => (listed = true));
    await Promise.resolve();
    host.advance(49);
    await Promise.resolve();
    assert.equal(listed, false);
    host.advance(1);
    await listing;
  });

  it('numbers the calls', async () => {
    const seen: string[] = [];
    const volume = faultyVolume(
      memoryVolume(),
      (at) => void seen.push(`${at.count} ${at.call} ${at.name} ${at.position} ${at.length}`),
      host,
    );
    const file = await volume.open('a', 'create');
    await file.write([Buffer.alloc(3), Buffer.alloc(4)], 10);
    await file.sync();
    await file.truncate(3);
    await file.size();
    assert.deepEqual(seen, ['0 open a 0 0', '1 write a 10 7', '2 sync a 0 0', '3 truncate a 0 0', '4 size a 0 0']);
  });
});
