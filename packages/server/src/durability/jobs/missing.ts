import { limits } from '../../limits.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { type AccessMap, reached } from '../access.ts';
import { fragmentId, stripeIdBytes, successor } from '../address.ts';
import type { GroupTable } from '../groups.ts';
import type { Pace } from './pace.ts';

/** A copy that a published stripe should have. */
export interface MissingCopy {
  readonly stripe: Buffer;
  readonly group: GroupRecord;
  readonly copy: number;
  readonly device: string;
}

export interface MissingSearch {
  readonly reader: Pick<MetadataReader, 'stripes' | 'garbage'>;
  readonly groups: GroupTable;
  readonly access: AccessMap;
  /** Absent: every device answers. */
  readonly healthy?: ((device: string) => boolean) | undefined;
  readonly pace: Pace;
  /** So many stripes were looked at. */
  readonly looked: (stripes: number) => void;
}

/**
 * Copies that published stripes should have and their devices, which are here, do not know: reading devices cannot find them. In order of stripe id, by
 * pages of stripes that were looked at together.
 */
export async function* missingCopies(search: MissingSearch): AsyncGenerator<readonly MissingCopy[]> {
  let next: Buffer | undefined = Buffer.alloc(stripeIdBytes);
  while (next) {
    const rows: ReturnType<MetadataReader['stripes']> = search.reader.stripes(next, limits.jobPage);
    const last = rows.at(-1);
    if (!last) return;
    const missing = await missingAmong(
      search,
      rows.flatMap((row) => copiesOf(search, row.stripe, row.group)),
    );
    if (missing.length > 0) {
      const garbage = await garbageAmong(search, missing);
      const wanted = missing.filter(({ stripe }) => !garbage.has(stripe.toString('latin1')));
      const still = await missingAmong(search, wanted);
      if (still.length > 0) yield still;
    }
    search.looked(rows.length);
    next = successor(last.stripe);
    await search.pace.step();
  }
}

/** As {@link missingCopies}, one by one; what was written meanwhile is passed over. */
export async function* eachMissing(search: MissingSearch): AsyncGenerator<MissingCopy> {
  for await (const page of missingCopies(search)) {
    for (const one of page) {
      const [still] = await missingAmong(search, [one]);
      if (still) yield still;
      await search.pace.step();
    }
  }
}

/** The copies of a stripe on devices that are within reach. */
function copiesOf({ groups, access, healthy }: MissingSearch, stripe: Buffer, id: number): MissingCopy[] {
  const group = groups.byId(id);
  if (!group) return [];
  return group.devices
    .map((device, copy) => ({ stripe, group, copy, device }))
    .filter(({ device }) => access.has(device) && healthy?.(device) !== false);
}

/** Those that their devices do not know; each device is asked once. One that does not answer is left out: it is away. */
async function missingAmong({ access }: MissingSearch, copies: readonly MissingCopy[]): Promise<MissingCopy[]> {
  const byDevice = Map.groupBy(copies, ({ device }) => device);
  const missing = new Set<MissingCopy>();
  await Promise.all(
    [...byDevice].map(async ([device, wanted]) => {
      const lengths = await reached(access.get(device)?.lengths(wanted.map((one) => fragmentId(one.stripe, one.copy))));
      for (const [index, one] of wanted.entries()) if (lengths && lengths[index] === undefined) missing.add(one);
    }),
  );
  return copies.filter((one) => missing.has(one));
}

/** Garbage keeps its row in table `stripes` until it is collected, and loses its fragments before. */
async function garbageAmong(
  { reader, pace }: MissingSearch,
  missing: readonly MissingCopy[],
): Promise<ReadonlySet<string>> {
  const wanted = new Set(missing.map(({ stripe }) => stripe.toString('latin1')));
  const found = new Set<string>();
  let rows = reader.garbage(limits.jobPage);
  while (rows.length > 0) {
    for (const row of rows) {
      for (const { id } of row.stripes) {
        const name = id.toString('latin1');
        if (wanted.has(name)) found.add(name);
      }
    }
    await pace.step();
    rows = reader.garbage(limits.jobPage, rows.at(-1));
  }
  return found;
}
