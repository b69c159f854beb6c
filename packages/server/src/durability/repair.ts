import { CorruptionError, StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { type AccessMap, lengthAt } from './access.ts';
import { checksumBytes, fragmentId } from './address.ts';
import { rebuildFragment } from './coded/repair.ts';
import type { DamageReport } from './types.ts';
import { createWhereabouts, type FragmentSource, type Whereabouts } from './whereabouts.ts';

/**
 * Why a fragment is rewritten: it cannot be read, or it reads well here but a reader could not open it; then only other bytes can cure it.
 */
export type RepairCause = 'unreadable' | 'distrusted';

/** Rewrites one fragment of a stripe on its device; who asks while that is under way waits for the same. Resolves to whether it was; never rejects. */
export type RepairFragment = (
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  cause: RepairCause,
) => Promise<boolean>;

export interface RepairOptions {
  readonly access: AccessMap;
  /** Where fragments are that have moved. Absent: it is found out when it is needed. */
  readonly where?: Whereabouts;
  /**
   * Whether a version still points to the stripe. Asked before and after: a copy written while its stripe was being collected would stay
   * for ever.
   */
  readonly owned: (stripe: Buffer) => boolean;
  /** Resolves when what {@link owned} asks has all that was logged before. Absent: it always has. */
  readonly latest?: () => Promise<void>;
}

export interface Repairer {
  readonly repair: RepairFragment;
  /** Resolves when no repair is under way. */
  idle(): Promise<void>;
}

/**
 * Repairs from another copy, or from any fragments of a code that are enough: their bytes are verified, the right ones are written beside the bad
 * ones, then the bad row goes and the new one is sealed. The fragments of a stripe one after the other, `limits.repairsAtOnce` stripes at a time; what
 * is refused is found again by the next read or scrub.
 */
export function createRepairer(options: RepairOptions): Repairer {
  const where = options.where ?? createWhereabouts(options.access);
  const running = new Map<
    string,
    { readonly index: number; readonly cause: RepairCause; readonly done: Promise<boolean> }
  >();
  const repairer: Repairer = {
    repair(stripe, group, index, cause) {
      const name = stripe.toString('latin1');
      const same = running.get(name);
      if (same?.index === index && same.cause === cause) return same.done;
      // A read has found the one, a scrub the other: whoever comes second has his written next, and is not told that it cannot be.
      if (same) return same.done.then(() => repairer.repair(stripe, group, index, cause));
      if (running.size >= limits.repairsAtOnce) return Promise.resolve(false);
      where.observe([group]);
      const done = rewrite({ ...options, where }, stripe, group, index, cause)
        .catch(() => false)
        .finally(() => running.delete(name));
      running.set(name, { index, cause, done });
      return done;
    },
    async idle() {
      while (running.size > 0) await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
  return repairer;
}

async function rewrite(
  { where, ...options }: RepairOptions & { readonly where: Whereabouts },
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  cause: RepairCause,
): Promise<boolean> {
  const target = options.access.get(group.devices[index] ?? '');
  if (!target || !options.owned(stripe)) return false;
  const id = fragmentId(stripe, index);
  const before = await lengthAt(target, id);
  const create = (maximum: number): Promise<FragmentWriter> =>
    target.create(id, maximum, checksumBytes, { group: group.id, epoch: group.epoch });
  const present = cause === 'distrusted' ? target : undefined;
  const make = async (): Promise<FragmentWriter | undefined> =>
    (present ? undefined : await movedFragment(where, stripe, group, index, create)) ??
    (group.code
      ? await rebuildFragment(where, stripe, group, group.code, index, present, create)
      : await copyFragment(where, stripe, group, index, present, create));
  let writer = await make();
  if (!writer && !present && (await where.find(stripe, group)).found) writer = await make();
  if (!writer) return false;
  try {
    const now = await lengthAt(target, id);
    if (now !== undefined && before === undefined) {
      // Another node has written it meanwhile, and somebody may rely on it already.
      await writer.abort();
      return true;
    }
    // Only now, when the device is known to take the bytes: until here the old row stays, whatever it is worth.
    if (now !== undefined) await target.remove([id]);
    await writer.seal();
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
  await options.latest?.();
  if (options.owned(stripe)) return true;
  await target.remove([id]);
  return false;
}

/** Appends to a writer this very fragment, from a device that had its place before: one fragment is read, whatever the code. */
async function movedFragment(
  where: Whereabouts,
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  create: (maximum: number) => Promise<FragmentWriter>,
): Promise<FragmentWriter | undefined> {
  for (const source of where.former(group, index)) {
    const bytes = await whole(source, fragmentId(stripe, index));
    if (bytes) return filled(bytes, create);
  }
  return undefined;
}

/** Appends to a writer the bytes of another copy, verified whole. @param present the copy as it is, when only another with other bytes is better */
async function copyFragment(
  where: Whereabouts,
  stripe: Buffer,
  group: GroupRecord,
  index: number,
  present: FragmentSource | undefined,
  create: (maximum: number) => Promise<FragmentWriter>,
): Promise<FragmentWriter | undefined> {
  const bad = present && (await whole(present, fragmentId(stripe, index)));
  const good = await goodCopy(where, stripe, group, index, bad);
  return good && filled(good, create);
}

async function filled(bytes: Buffer, create: (maximum: number) => Promise<FragmentWriter>): Promise<FragmentWriter> {
  const writer = await create(bytes.length);
  try {
    await writer.append([bytes]);
    return writer;
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
}

/** The bytes of the first other copy that verifies whole and is not what `bad` is. */
async function goodCopy(
  where: Whereabouts,
  stripe: Buffer,
  group: GroupRecord,
  except: number,
  bad: Buffer | undefined,
): Promise<Buffer | undefined> {
  for (const index of group.devices.keys()) {
    const source = index === except ? undefined : where.at(group, index);
    if (!source) continue;
    const bytes = await whole(source, fragmentId(stripe, index));
    if (bytes && !(bad && bytes.equals(bad))) return bytes;
  }
  return undefined;
}

/** A whole fragment, verified; undefined when it is missing, damaged or unreadable. */
async function whole(access: FragmentSource, id: Buffer): Promise<Buffer | undefined> {
  try {
    const length = (await access.lengths([id]))[0];
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
