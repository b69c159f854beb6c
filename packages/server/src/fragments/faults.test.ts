import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Fault, faultyVolume, memoryDevice, openDevice, type VolumeCall } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import { checkSpace, contentOf, idOf, isClearError, openSystem, slabBytes, windowBytes } from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

type Site = 'read' | 'write' | 'sync' | 'open' | 'syncDirectory' | 'capacity';

const host = realHost();
const lengths = [100, 5000, 40_000, 70_000, 8191, 0, 30_000, 4096];

/** Faults that answer with an error or only take time. What was sealed in spite of them must be there. */
const loud: readonly Fault[] = [
  { kind: 'error', code: 'EIO' },
  { kind: 'error', code: 'ENOSPC' },
  { kind: 'slow', milliseconds: 0 },
];
/** Faults that claim success. What was sealed may be lost, but never changed. */
const silent: readonly Fault[] = [
  { kind: 'flip', bit: 0 },
  { kind: 'flip', bit: 123_457 },
  { kind: 'torn', bytes: 0 },
  { kind: 'torn', bytes: 1000 },
  { kind: 'lost' },
  { kind: 'misdirected', by: 4096 },
  { kind: 'misdirected', by: -8192 },
  { kind: 'misdirected', by: 300_000 },
  { kind: 'stale' },
];

interface Outcome {
  readonly calls: number;
  readonly sealed: ReadonlySet<number>;
  readonly removed: ReadonlySet<number>;
}

/** Reads give the right bytes or say clearly why not; with `whole` they must give the bytes. */
async function readAll(store: FragmentStore, { sealed, removed }: Outcome, whole: boolean): Promise<void> {
  for (const [number, length] of lengths.entries()) {
    let bytes: Buffer;
    try {
      bytes = await store.read(idOf(number), 0, length);
    } catch (error) {
      assert.ok(isClearError(error), String(error));
      if (whole)
        assert.ok(!sealed.has(number) || removed.has(number), `fragment ${number} was sealed: ${String(error)}`);
      continue;
    }
    assert.ok(bytes.equals(contentOf(idOf(number), length)), `fragment ${number} has its bytes`);
  }
}

/** Does some work while the `at`-th call of this kind goes wrong, then loses the power and recovers on a disk that is well. */
async function trial(site: Site, fault: Fault | undefined, at: number, sticky = false): Promise<Outcome> {
  const { volume, device } = await memoryDevice(host, { slabBytes });
  const identity = { device: device.identity, store: '', slabBytes, madeAt: 0 };
  let calls = 0;
  const plan = ({ call }: VolumeCall): Fault | undefined => {
    if (call !== site) return undefined;
    const now = calls++;
    return now === at || (sticky && now > at) ? fault : undefined;
  };
  const faulty = openDevice({ volume: faultyVolume(volume, plan, host), identity, host, reserveBytes: 0 });
  const kv = memoryKv(host);
  const sealed = new Set<number>();
  const removed = new Set<number>();
  try {
    const owner = await openFragmentOwner({ device: faulty, kv, host, windowBytes });
    const store = openFragmentStore({ device: faulty, owner, index: kv, host });
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        assert.ok(isClearError(error), String(error));
        if (site === 'sync' && fault?.kind === 'error') assert.equal(faulty.health(), 'stopped');
      }
    };
    const putOne = (number: number): Promise<void> =>
      attempt(async () => {
        const bytes = contentOf(idOf(number), lengths[number] as number);
        const writer = await store.create(idOf(number), bytes.length + (number % 2), 4096);
        try {
          await writer.append([bytes.subarray(0, 3000)]);
          await writer.append([bytes.subarray(3000)]);
          await writer.seal();
          sealed.add(number);
        } catch (error) {
          await writer.abort();
          throw error;
        }
      });
    for (let i = 0; i < 4; i++) await putOne(i);
    await attempt(async () => {
      await store.remove([idOf(1)]);
      removed.add(1);
      await store.flush();
    });
    await Promise.all([4, 5, 6, 7].map(putOne));
    const silentWrite = fault !== undefined && silent.includes(fault) && site === 'write';
    const oneReadMayFail = site === 'read' || silentWrite;
    await readAll(store, { calls, sealed, removed }, !oneReadMayFail && faulty.health() !== 'stopped');
    // The fault is over: now every read must succeed.
    if (site === 'read' && calls > at && !sticky) await readAll(store, { calls, sealed, removed }, true);
  } catch (error) {
    assert.ok(isClearError(error), String(error));
  }
  const outcome = { calls, sealed, removed };
  const system = await openSystem(volume.crash(at), kv.crash(), device.identity);
  checkSpace(system);
  const [store] = system.stores;
  await readAll(store as FragmentStore, outcome, fault === undefined || loud.includes(fault) || site === 'read');
  // Still of use.
  const writer = await (store as FragmentStore).create(idOf(77), 10, 4096);
  await writer.append([Buffer.alloc(10)]);
  await writer.seal();
  return outcome;
}

describe('fragments: one fault', () => {
  const kinds: readonly [Site, readonly Fault[]][] = [
    ['write', [...loud, ...silent]],
    [
      'read',
      [
        ...loud.slice(0, 1),
        ...loud.slice(2),
        { kind: 'flip', bit: 0 },
        { kind: 'flip', bit: 65_537 },
        { kind: 'stale' },
      ],
    ],
    ['sync', loud],
    ['open', loud],
    ['syncDirectory', loud],
    ['capacity', loud],
  ];
  for (const [site, faults] of kinds) {
    it(`at any ${site}: no wrong byte, a clear error, and nothing else is lost`, async () => {
      const { calls, sealed } = await trial(site, undefined, -1);
      assert.equal(sealed.size, lengths.length);
      assert.ok(calls > 0);
      for (const fault of faults) for (let at = 0; at < calls; at++) await trial(site, fault, at);
    });

    it(`at every ${site} from some moment on`, async () => {
      const { calls } = await trial(site, undefined, -1);
      for (const fault of faults.slice(0, 2)) for (let at = 0; at < calls; at++) await trial(site, fault, at, true);
    });
  }

  it('leaves no doubt when a device has stopped', async () => {
    const { volume, device } = await memoryDevice(host, { slabBytes });
    let failing = false;
    const plan = ({ call }: VolumeCall): Fault | undefined =>
      failing && call === 'sync' ? { kind: 'error', code: 'EIO' } : undefined;
    const faulty = openDevice({
      volume: faultyVolume(volume, plan, host),
      identity: { device: device.identity, store: '', slabBytes, madeAt: 0 },
      host,
      reserveBytes: 0,
    });
    const kv = memoryKv(host);
    const owner = await openFragmentOwner({ device: faulty, kv, host, windowBytes });
    const store = openFragmentStore({ device: faulty, owner, index: kv, host });
    const writer = await store.create(idOf(1), 10, 4096);
    await writer.append([Buffer.alloc(10)]);
    failing = true;
    const unavailable = (error: unknown) => error instanceof StoreError && error.code === 'ServiceUnavailable';
    await assert.rejects(writer.seal(), unavailable);
    await writer.abort();
    assert.equal(store.length(idOf(1)), undefined);
    await assert.rejects(owner.openWindow(1), unavailable);
  });
});
