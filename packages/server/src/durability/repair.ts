import { CorruptionError, StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { type AccessMap, type FragmentAccess, lengthAt } from './access.ts';
import { checksumBytes, fragmentId } from './address.ts';
import { rebuildFragment } from './coded/repair.ts';
import type { DamageReport } from './types.ts';

/**
 * Why a fragment is rewritten: it cannot be read, or it reads well here but a reader could not open it; then only other bytes can cure it.
 */
export type RepairCause = 'unreadable' | 'distrusted';

/** Rewrites one fragment of a stripe on its device. Resolves to whether it was; never rejects. */
export type RepairFragment = (
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  cause: RepairCause,
) => Promise<boolean>;

export interface RepairOptions {
  readonly access: AccessMap;
  /**
   * Whether a version still points to the stripe. Asked before and after: a copy written while its stripe was being collected would stay
   * for ever.
   */
  readonly owned: (stripe: Buffer) => boolean;
}

export interface Repairer {
  readonly repair: RepairFragment;
  /** Resolves when no repair is under way. */
  idle(): Promise<void>;
}

/**
 * Repairs from another copy, or from any fragments of a code that are enough: their bytes are verified, the right ones are written beside the bad
 * ones, then the bad row goes and the new one is sealed. One repair per stripe at a time, `limits.repairsAtOnce` in all; what is refused is
 * found again by the next read or scrub.
 */
export function createRepairer(options: RepairOptions): Repairer {
  const running = new Map<string, Promise<boolean>>();
  return {
    repair(stripe, group, index, cause) {
      const name = stripe.toString('latin1');
      if (running.has(name) || running.size >= limits.repairsAtOnce) return Promise.resolve(false);
      const repair = rewrite(options, stripe, group, index, cause)
        .catch(() => false)
        .finally(() => running.delete(name));
      running.set(name, repair);
      return repair;
    },
    async idle() {
      while (running.size > 0) await Promise.all(running.values());
    },
  };
}

async function rewrite(
  options: RepairOptions,
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  cause: RepairCause,
): Promise<boolean> {
  const target = options.access.get(group.devices[index] ?? '');
  if (!target || !options.owned(stripe)) return false;
  const id = fragmentId(stripe, index);
  const create = (maximum: number): Promise<FragmentWriter> => target.create(id, maximum, checksumBytes);
  const present = cause === 'distrusted' ? target : undefined;
  const writer = group.code
    ? await rebuildFragment(options.access, stripe, group, group.code, index, present, create)
    : await copyFragment(options.access, stripe, group, index, present, create);
  if (!writer) return false;
  try {
    // Only now, when the device is known to take the bytes: until here the old row stays, whatever it is worth.
    if ((await lengthAt(target, id)) !== undefined) await target.remove([id]);
    await writer.seal();
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
  if (options.owned(stripe)) return true;
  await target.remove([id]);
  return false;
}

/** Appends to a writer the bytes of another copy, verified whole. @param present the copy as it is, when only another with other bytes is better */
async function copyFragment(
  access: AccessMap,
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  present: FragmentAccess | undefined,
  create: (maximum: number) => Promise<FragmentWriter>,
): Promise<FragmentWriter | undefined> {
  const bad = present && (await whole(present, fragmentId(stripe, index)));
  const good = await goodCopy(access, stripe, group, index, bad);
  if (!good) return undefined;
  const writer = await create(good.length);
  try {
    await writer.append([good]);
    return writer;
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
}

/** The bytes of the first other copy that verifies whole and is not what `bad` is. */
async function goodCopy(
  access: AccessMap,
  stripe: Buffer,
  group: GroupRecord,
  except: number,
  bad: Buffer | undefined,
): Promise<Buffer | undefined> {
  for (const [index, device] of group.devices.entries()) {
    const source = index === except ? undefined : access.get(device);
    if (!source) continue;
    const bytes = await whole(source, fragmentId(stripe, index));
    if (bytes && !(bad && bytes.equals(bad))) return bytes;
  }
  return undefined;
}

/** A whole fragment, verified; undefined when it is missing, damaged or unreadable. */
async function whole(access: FragmentAccess, id: Buffer): Promise<Buffer | undefined> {
  try {
    const length = await lengthAt(access, id);
    if (length === undefined || length === 'damaged') return undefined;
    return await access.read(id, 0, length);
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
