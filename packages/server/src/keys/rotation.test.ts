import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MemoryVolume, memoryVolume, readFile, type Volume } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { decodeKeyring } from './format.ts';
import { type Keyring, KeyringError, type MasterKeyName, openKeyring } from './index.ts';
import { rotated } from './rotating.support.ts';

const context = Buffer.from('a context');
const denied = (error: unknown) => error instanceof StoreError && error.code === 'AccessDenied';
const fileOf = async (volume: Volume): Promise<Buffer> =>
  (await readFile(volume, 'keyring', limits.keyringBytes)) as Buffer;
const formatOf = async (volume: Volume): Promise<number> => (await fileOf(volume))[8] as number;
const open = (volume: Volume, more: { expected?: string; copies?: Volume[] } = {}, seed = 1) =>
  openKeyring({ volume, host: manualHost(seed), create: false, ...more });
const made = (volume: Volume, seed = 1) => openKeyring({ volume, host: manualHost(seed), create: true });

async function overwrite(volume: Volume, bytes: Buffer): Promise<void> {
  const file = await volume.open('keyring', 'create');
  await file.truncate(bytes.length);
  await file.write([bytes], 0);
  await file.sync();
  await file.close();
}

/** Two nodes of a cluster, the second with what the first one gave it. */
async function twoNodes() {
  const [here, there] = [memoryVolume(), memoryVolume()];
  const one = await made(here);
  await overwrite(there, one.file());
  return { here, there, one, other: await open(there, {}, 9) };
}

/** A store in two directories whose power fails, and what has to be true of it. */
class Model {
  volumes: readonly [MemoryVolume, MemoryVolume] = [memoryVolume(), memoryVolume()];
  keyring!: Keyring;
  readonly sealed: { readonly number: number; readonly bytes: Buffer; readonly plain: Buffer }[] = [];
  /** What the store remembers. */
  expected = '';
  /** What the log would name. */
  named: MasterKeyName | undefined;
  taken: MasterKeyName | undefined;
  /** Keys before this one may be gone. */
  first = 1;
  #seed = 1;

  async begin(): Promise<void> {
    this.keyring = await made(this.volumes[0]);
    await this.keyring.keepIn(this.volumes);
    this.expected = this.keyring.fingerprint;
  }

  /** @param steps of the change after which the power fails; undefined: it does not */
  async do(change: 'prepare' | 'take' | 'activate' | 'remove' | 'seal' | 'nothing', steps: number | undefined) {
    const run = this.#run(change);
    if (steps === undefined) return run;
    const ended = run.catch(() => undefined);
    for (let step = 0; step < steps; step++) await Promise.resolve();
    this.#seed += 1;
    this.volumes = [this.volumes[0].crash(this.#seed), this.volumes[1].crash(this.#seed * 31)];
    await ended;
    const [volume, copy] = this.volumes;
    this.keyring = await open(volume, { copies: [copy], expected: this.expected }, this.#seed);
    await this.keyring.keepIn(this.volumes);
  }

  async #run(change: Parameters<Model['do']>[0]): Promise<void> {
    const { keyring } = this;
    if (change === 'prepare') {
      // The log names only what was prepared.
      const name = await keyring.prepare();
      if (keyring === this.keyring) this.named = name;
    } else if (change === 'take' && this.named) {
      const { named } = this;
      if ((await keyring.take(named)) && keyring === this.keyring) this.taken = named;
    } else if (change === 'activate' && this.taken) {
      await keyring.activate(this.taken.number);
      if (keyring === this.keyring) this.expected = keyring.fingerprint;
    } else if (change === 'remove') {
      this.first = keyring.active;
      await keyring.removeBefore(this.first);
    } else if (change === 'seal') {
      const plain = Buffer.from(`secret ${this.sealed.length}`);
      const bytes = await keyring.wrap(plain, context);
      if (keyring === this.keyring) this.sealed.push({ number: keyring.active, bytes, plain });
    }
  }

  async check(): Promise<void> {
    const [volume, copy] = this.volumes;
    for (const keyring of [this.keyring, await open(volume, { copies: [copy], expected: this.expected })])
      for (const { number, bytes, plain } of this.sealed)
        if (number >= this.first) assert.deepEqual(await keyring.unwrap(bytes, context), plain);
    if (this.taken) assert.ok(this.keyring.holds(this.taken), 'what every node was told to have stays');
    if (this.first === 1)
      assert.equal(await formatOf(volume), 1, 'earlier versions read it as long as nothing is removed');
  }
}

describe('a rotation of the keyring', () => {
  it('keeps everything readable that was sealed under a key that is not removed, whenever the power fails', async () => {
    const change = fc.constantFrom('prepare', 'take', 'activate', 'remove', 'seal', 'nothing' as const);
    const step = fc.tuple(change, fc.option(fc.nat(60), { nil: undefined }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const model = new Model();
        await model.begin();
        await model.do('seal', undefined);
        for (const [what, fails] of steps as [Parameters<Model['do']>[0], number | undefined][]) {
          // A key that was named, and taken nowhere yet, may be prepared anew; the log names the newer one then.
          if (what === 'prepare' && model.taken && model.taken.number > model.keyring.active) continue;
          await model.do(what, fails);
          await model.check();
        }
      }),
      { numRuns: 150 },
    );
  });

  it('wraps with the new key only when told, after it was taken, and the prepared file goes', async () => {
    const volume = memoryVolume();
    const keyring = await made(volume);
    const before = keyring.fingerprint;
    const named = await keyring.prepare();
    assert.deepEqual([keyring.active, keyring.holds(named), await fileOf(volume)], [1, false, keyring.file()]);
    assert.ok(await keyring.take(named));
    assert.deepEqual([keyring.active, keyring.fingerprint], [1, before], 'what unwraps only is not remembered');
    assert.equal((await keyring.wrap(context, context)).readUInt32LE(1), 1);
    assert.deepEqual(await volume.list(), ['keyring']);
    await keyring.activate(named.number);
    assert.deepEqual([keyring.active, keyring.fingerprint], [2, named.fingerprint]);
    assert.equal((await keyring.wrap(context, context)).readUInt32LE(1), 2);
  });

  it('goes from node to node, and only the key that was named', async () => {
    const { one, other } = await twoNodes();
    const lost = await other.prepare();
    const named = await one.prepare();
    assert.notEqual(named.fingerprint, lost.fingerprint);
    assert.equal(await other.take(named), false, 'what it prepared itself is another key');
    assert.equal(await other.take(named, one.file()), false, 'not before the other node has taken it');
    await one.take(named);
    const stranger = await made(memoryVolume(), 5);
    await rotated(stranger);
    assert.equal(await other.take(named, stranger.file()), false);
    assert.equal(await other.take(named, Buffer.from('nothing of the kind')), false);
    assert.ok(await other.take(named, one.file()));
    await one.activate(2);
    const wrapped = await one.wrap(Buffer.from('sealed there'), context);
    assert.deepEqual(await other.unwrap(wrapped, context), Buffer.from('sealed there'));
  });

  it('puts another key in the place of one that was named and sealed nothing', async () => {
    const { here, one, other } = await twoNodes();
    const first = await one.prepare();
    await one.take(first);
    const second = await other.prepare();
    await other.take(second);
    assert.equal(second.number, first.number);
    const thread = await open(here);
    assert.ok(await one.take(second, other.file()));
    assert.ok(!one.holds(first));
    await other.activate(2);
    const wrapped = await other.wrap(Buffer.from('sealed'), context);
    await thread.refresh();
    for (const keyring of [one, thread])
      assert.deepEqual(await keyring.unwrap(wrapped, context), Buffer.from('sealed'));
  });

  it('lets a node catch up that was away for several, some of whose keys are gone', async () => {
    const { there, one, other } = await twoNodes();
    const old = await other.wrap(Buffer.from('old'), context);
    await rotated(one);
    const middle = await one.wrap(Buffer.from('middle'), context);
    await one.removeBefore(2);
    await rotated(one);
    const named = { number: 3, fingerprint: one.fingerprint };
    assert.ok(await other.take(named, one.file()));
    await other.activate(3);
    assert.deepEqual([other.oldest, other.fingerprint], [1, one.fingerprint]);
    assert.deepEqual(await other.unwrap(old, context), Buffer.from('old'), 'until it is told to remove it');
    assert.deepEqual(await other.unwrap(middle, context), Buffer.from('middle'));
    await other.removeBefore(3);
    assert.deepEqual(await fileOf(there), other.file());
    await assert.rejects(other.unwrap(middle, context), denied);
    assert.ok(await open(there, { expected: one.fingerprint }));
  });

  it('removes a key from the file and from other threads, and what it sealed is denied', async () => {
    const volume = memoryVolume();
    const keyring = await made(volume);
    const thread = await open(volume);
    const remembered = [keyring.fingerprint];
    const old = await keyring.wrap(context, context);
    const secret = decodeKeyring(keyring.file()).keys[0]!.key as Buffer;
    await rotated(keyring);
    remembered.push(keyring.fingerprint);
    await keyring.removeBefore(1);
    assert.equal(await formatOf(volume), 1);
    await keyring.removeBefore(2);
    assert.equal(await formatOf(volume), 2);
    assert.ok(!keyring.file().includes(secret) && !(await fileOf(volume)).includes(secret));
    await rotated(keyring);
    remembered.push(keyring.fingerprint);
    await rotated(keyring);
    remembered.push(keyring.fingerprint);
    for (const expected of remembered) assert.equal((await open(volume, { expected })).fingerprint, remembered.at(-1));
    assert.equal(keyring.oldest, 2);
    await thread.refresh();
    for (const one of [keyring, thread, await open(volume)]) await assert.rejects(one.unwrap(old, context), denied);
    const other = await made(memoryVolume(), 3);
    await assert.rejects(open(volume, { expected: other.fingerprint }), KeyringError);
    await assert.rejects(
      open(volume, { expected: remembered[2]!.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }),
      /belongs to another store/,
    );
  });

  it('leaves a file of which every changed byte, and every length, is refused', async () => {
    const volume = memoryVolume();
    const keyring = await made(volume);
    await rotated(keyring);
    await rotated(keyring);
    await keyring.removeBefore(2);
    const good = keyring.file();
    assert.deepEqual(
      decodeKeyring(good).keys.map(({ key }) => key !== undefined),
      [false, true, true],
    );
    for (let at = 0; at < good.length; at++) {
      const changed = Buffer.from(good);
      changed[at]! ^= 1 << (at % 8);
      assert.throws(() => decodeKeyring(changed), CorruptionError);
      assert.throws(() => decodeKeyring(good.subarray(0, at)), CorruptionError);
    }
  });

  it('takes the newest of two copies, however far each of them came', async () => {
    const bytes: Buffer[] = [];
    const keyring = await made(memoryVolume());
    const save = () => void bytes.push(keyring.file());
    save();
    const named = await keyring.prepare();
    await keyring.take(named);
    save();
    await keyring.activate(2);
    save();
    await keyring.removeBefore(2);
    save();
    for (let a = 0; a < bytes.length; a++)
      for (let b = 0; b < bytes.length; b++) {
        const [volume, copy] = [memoryVolume(), memoryVolume()];
        await overwrite(volume, bytes[a]!);
        await overwrite(copy, bytes[b]!);
        const opened = await open(volume, { copies: [copy] });
        assert.deepEqual(opened.file(), bytes[Math.max(a, b)]);
        await opened.keepIn([volume, copy]);
        for (const one of [volume, copy]) assert.deepEqual(await fileOf(one), bytes[Math.max(a, b)]);
      }
  });
});
