import { CorruptionError, StoreError } from '../errors.ts';
import type { FragmentStore } from '../fragments/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { checksumBytes, fragmentId, lengthOf } from './address.ts';
import type { DamageReport } from './types.ts';

/**
 * Why a copy is rewritten: it cannot be read, or it reads well here but a reader could not open it; then only a copy with other bytes can
 * cure it.
 */
export type RepairCause = 'unreadable' | 'distrusted';

/** Rewrites one copy of a stripe on its device; who asks while that is under way waits for the same. Resolves to whether it was; never rejects. */
export type RepairCopy = (stripe: Buffer, group: GroupRecord, copy: number, cause: RepairCause) => Promise<boolean>;

export interface RepairOptions {
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /**
   * Whether a version still points to the stripe. Asked before and after: a copy written while its stripe was being collected would stay
   * for ever.
   */
  readonly owned: (stripe: Buffer) => boolean;
}

export interface Repairer {
  readonly repair: RepairCopy;
  /** Resolves when no repair is under way. */
  idle(): Promise<void>;
}

/**
 * Repairs from another copy: that one is read and verified whole first, its bytes are written beside
 * the bad ones, then the bad row goes and the new one is sealed. One
 * repair per stripe at a time, `limits.repairsAtOnce` in all; what is refused is found again by the next read or scrub.
 */
export function createRepairer(options: RepairOptions): Repairer {
  const running = new Map<
    string,
    { readonly copy: number; readonly cause: RepairCause; readonly done: Promise<boolean> }
  >();
  return {
    repair(stripe, group, copy, cause) {
      const name = stripe.toString('latin1');
      const same = running.get(name);
      if (same) return same.copy === copy && same.cause === cause ? same.done : Promise.resolve(false);
      if (running.size >= limits.repairsAtOnce) return Promise.resolve(false);
      const done = rewrite(options, stripe, group, copy, cause)
        .catch(() => false)
        .finally(() => running.delete(name));
      running.set(name, { copy, cause, done });
      return done;
    },
    async idle() {
      while (running.size > 0) await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

async function rewrite(
  options: RepairOptions,
  stripe: Buffer,
  group: GroupRecord,
  copy: number,
  cause: RepairCause,
): Promise<boolean> {
  const target = options.stores.get(group.devices[copy] ?? '');
  if (!target || !options.owned(stripe)) return false;
  const id = fragmentId(stripe, copy);
  const bad = cause === 'distrusted' ? await whole(target, id) : undefined;
  const good = await goodCopy(options.stores, stripe, group, copy, bad);
  if (!good) return false;
  const writer = await target.create(id, good.length, checksumBytes);
  try {
    await writer.append([good]);
    // Only now, when the device is known to take the bytes: until here the old row stays, whatever it is worth.
    if (lengthOf(target, id) !== undefined) await target.remove([id]);
    await writer.seal();
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
  if (options.owned(stripe)) return true;
  await target.remove([id]);
  return false;
}

/** The bytes of the first other copy that verifies whole and is not what `bad` is. */
async function goodCopy(
  stores: ReadonlyMap<string, FragmentStore>,
  stripe: Buffer,
  group: GroupRecord,
  except: number,
  bad: Buffer | undefined,
): Promise<Buffer | undefined> {
  for (const [index, device] of group.devices.entries()) {
    const source = index === except ? undefined : stores.get(device);
    if (!source) continue;
    const bytes = await whole(source, fragmentId(stripe, index));
    if (bytes && !(bad && bytes.equals(bad))) return bytes;
  }
  return undefined;
}

/** A whole fragment, verified; undefined when it is missing, damaged or unreadable. */
async function whole(store: FragmentStore, id: Buffer): Promise<Buffer | undefined> {
  const length = lengthOf(store, id);
  if (length === undefined || length === 'damaged') return undefined;
  try {
    return await store.read(id, 0, length);
  } catch {
    return undefined;
  }
}

/** What a failed read of one copy says about it. */
export function damageReason(error: unknown): DamageReport['reason'] {
  if (error instanceof CorruptionError) return 'damaged';
  if (error instanceof StoreError && error.code === 'NotFound') return 'missing';
  return 'unreadable';
}
