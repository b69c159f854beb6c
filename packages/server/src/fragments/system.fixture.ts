import assert from 'node:assert/strict';
import { type Device, type MemoryVolume, memoryDevice, openDevice } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { type Kv, type KvReader, type MemoryKv, memoryKv } from '../kv/index.ts';
import { auditIndex } from './audit.ts';
import { openFragmentOwner } from './owner.ts';
import type { RebuildOptions } from './rebuild.ts';
import { openFragmentStore } from './store.ts';
import type { FragmentId, FragmentStore, IndexProblem, OpenFragmentOwner } from './types.ts';

export const slabBytes = 1 << 20;
export const windowBytes = 256 << 10;

/** One device with its owner and the stores of a few threads. */
export interface System {
  readonly volume: MemoryVolume;
  readonly kv: MemoryKv;
  readonly device: Device;
  readonly owner: OpenFragmentOwner;
  readonly stores: FragmentStore[];
  /** Its own, so that timers of a system that crashed never run. */
  readonly host: ReturnType<typeof manualHost>;
}

export const storeCount = 2;
let systems = 0;

/** As on a disk, a checkpoint takes its time, and may cover what was committed while it began. */
function slowCheckpoints(kv: MemoryKv): Kv {
  return {
    changeCount: (first) => kv.changeCount(first),
    get: (key) => kv.get(key),
    range: (range) => kv.range(range),
    snapshot: () => kv.snapshot(),
    commit: (changes) => kv.commit(changes),
    statistics: () => kv.statistics(),
    close: () => kv.close(),
    async checkpoint() {
      await settle(8);
      await kv.checkpoint();
      await settle(60);
    },
  };
}

/** Each thread opens the device for itself. */
export async function openSystem(
  volume: MemoryVolume,
  kv: MemoryKv,
  identity: string,
  rebuild?: RebuildOptions,
): Promise<System> {
  const host = manualHost(++systems);
  const open = (): Device =>
    openDevice({ volume, identity: { device: identity, store: '', slabBytes, madeAt: 0 }, host, reserveBytes: 0 });
  const device = open();
  const options = { device, kv: slowCheckpoints(kv), host, windowBytes, ...(rebuild && { rebuild }) };
  const owner = await openFragmentOwner(options);
  const stores = Array.from({ length: storeCount }, () =>
    openFragmentStore({ device: open(), owner, index: kv, host }),
  );
  return { volume, kv, device, owner, stores, host };
}

export async function newSystem(capacity?: number): Promise<System> {
  const host = manualHost(++systems);
  const { device, volume } = await memoryDevice(host, { slabBytes, ...(capacity === undefined ? {} : { capacity }) });
  return openSystem(volume, memoryKv(host), device.identity);
}

/** Loses the power, and opens what is left. */
export async function crashSystem(system: System, seed: number, rebuild?: RebuildOptions): Promise<System> {
  const volume = system.volume.crash(seed);
  const kv = system.kv.crash();
  return openSystem(volume, kv, system.device.identity, rebuild);
}

/** The content of a fragment follows from its id, so that nobody has to remember it. */
export function contentOf(id: Uint8Array, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (Buffer.from(id).readUInt32LE(0) ^ length) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function idOf(number: number): FragmentId {
  const id = Buffer.alloc(16, 0x11);
  id.writeUInt32BE(Math.imul(number + 1, 0x9e3779b1) >>> 0, 0);
  id.writeUInt32BE(number, 4);
  return id;
}

/** Writes a whole fragment. */
export async function put(store: FragmentStore, id: FragmentId, length: number, checksumBytes = 4096): Promise<Buffer> {
  const bytes = contentOf(id, length);
  const writer = await store.create(id, length, checksumBytes);
  try {
    await writer.append([bytes]);
    await writer.seal();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return bytes;
}

/** What a check of a whole index found. A healthy one has only fragments and used bytes. */
export function auditOf(index: KvReader, bytes: number = slabBytes) {
  const problems: IndexProblem[] = [];
  const audit = auditIndex(index, bytes);
  let step = audit.next();
  for (; !step.done; step = audit.next()) if (step.value) problems.push(step.value);
  const of = (kind: IndexProblem['kind']): readonly IndexProblem[] => problems.filter((one) => one.kind === kind);
  const bytesOf = (kind: IndexProblem['kind']): number => of(kind).reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  return {
    ...step.value,
    problems,
    damaged: of('row'),
    overlapping: of('overlap'),
    damagedRows: of('space'),
    leakedBytes: bytesOf('leak'),
    unprotectedBytes: bytesOf('unprotected'),
  };
}

/** The index agrees with itself and with the owner's numbers. */
export function checkSpace(system: System): void {
  const audit = auditOf(system.kv);
  assert.deepEqual(audit.problems, []);
  const now = system.owner.statistics();
  assert.equal(now.usedBytes, audit.usedBytes);
  assert.equal(now.fragments, audit.fragments);
  assert.ok(
    now.leasedBytes >= 0 && now.pendingBytes >= 0 && now.freeBytes >= now.reusableBytes && now.reusableBytes >= 0,
  );
}

/** An answer that a client may get when something is wrong below. */
export function isClearError(error: unknown): boolean {
  return error instanceof StoreError || error instanceof CorruptionError;
}

/** Lets everything that is ready run. */
export async function settle(turns = 200): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve();
}
