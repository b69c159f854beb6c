import type { FragmentStore } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { fragmentId, lengthOf, stripeIdBytes, successor } from '../address.ts';
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
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Absent: every device answers. */
  readonly healthy?: ((device: string) => boolean) | undefined;
  readonly pace: Pace;
  /** So many stripes were looked at. */
  readonly looked: (stripes: number) => void;
}

/** Copies that published stripes should have and their devices, which are here, do not know: reading devices cannot find them. */
export async function* missingCopies(search: MissingSearch): AsyncGenerator<MissingCopy> {
  let next: Buffer | undefined = Buffer.alloc(stripeIdBytes);
  while (next) {
    const rows: ReturnType<MetadataReader['stripes']> = search.reader.stripes(next, limits.jobPage);
    const last = rows.at(-1);
    if (!last) return;
    const missing = rows.flatMap((row) => missingOf(search, row.stripe, row.group));
    if (missing.length > 0) {
      const garbage = await garbageAmong(search, missing);
      for (const one of missing) {
        if (garbage.has(one.stripe.toString('latin1')) || !isMissing(search, one)) continue;
        yield one;
        await search.pace.step();
      }
    }
    search.looked(rows.length);
    next = successor(last.stripe);
    await search.pace.step();
  }
}

function missingOf(search: MissingSearch, stripe: Buffer, id: number): MissingCopy[] {
  const group = search.groups.byId(id);
  if (!group) return [];
  return group.devices
    .map((device, copy) => ({ stripe, group, copy, device }))
    .filter((one) => search.healthy?.(one.device) !== false && isMissing(search, one));
}

function isMissing({ stores }: MissingSearch, { stripe, copy, device }: MissingCopy): boolean {
  const store = stores.get(device);
  return store !== undefined && lengthOf(store, fragmentId(stripe, copy)) === undefined;
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
