import { StoreError } from '../../errors.ts';
import type { KvView } from '../../kv/index.ts';
import { auditState, type BucketRecord, type MetadataReader, type ObjectVersion } from '../../metadata/index.ts';
import type { Pace } from '../jobs/pace.ts';
import type { ProgressMeter } from '../jobs/progress.ts';
import type { Findings } from './findings.ts';
import { versionName } from './reach.ts';
import { walkMetadata } from './walk.ts';

/** The states of the shards: what a reader reads. */
export interface CheckedStates {
  /** Each with the folder that it is in. */
  list(): readonly { readonly kv: KvView; readonly directory: string }[];
  /** Hears what came of each. @param damage why its rows are not those that were committed; undefined where they are */
  found?(directory: string, damage: string | undefined): void;
}

/**
 * Looks at the bytes of a version that lie within its row.
 * @returns false when they do not open; undefined when that cannot be told: they need a key that is not here
 */
export type OpensInline = (bucket: BucketRecord, key: Buffer, version: ObjectVersion) => Promise<boolean | undefined>;

interface StatesOptions {
  readonly states: CheckedStates;
  readonly pace: Pace;
  readonly meter: ProgressMeter;
  readonly findings: Findings;
  /** Sentences. */
  readonly unchecked: string[];
}

/**
 * Holds the rows of each shard against the digest that was committed with them.
 * @returns whether every shard that could be looked at is whole
 */
export async function checkStates(options: StatesOptions): Promise<boolean> {
  const { findings, unchecked } = options;
  let whole = true;
  for (const { kv, directory } of options.states.list()) {
    try {
      const { rows, damage } = await auditOf(kv, options);
      options.states.found?.(directory, damage);
      if (damage === undefined) continue;
      whole = false;
      findings.add('metadata-rows', `the metadata in ${directory}`, `Of ${rows} rows that were looked at: ${damage}.`);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'ServiceUnavailable') throw error;
      unchecked.push(`rows of the metadata in ${directory}: reading them took too long beside what is written`);
    }
  }
  return whole;
}

/** One audit, with rests. */
export async function auditOf(kv: KvView, { pace, meter }: { readonly pace: Pace; readonly meter: ProgressMeter }) {
  meter.phase('rows of the metadata', 0);
  const audit = auditState(kv);
  let before = 0;
  try {
    for (let step = audit.next(); ; step = audit.next()) {
      if (step.done) return step.value;
      meter.advance(step.value - before);
      before = step.value;
      await pace.step();
    }
  } finally {
    // Cancelled: what it holds is given back.
    audit.return({ position: 0, rows: 0, damage: undefined });
  }
}

interface NamingOptions extends Omit<StatesOptions, 'states'> {
  readonly reader: MetadataReader;
  readonly opensInline: OpensInline | undefined;
}

/** A digest does not say which row has changed: the objects within rows are opened one by one, and those that do not open are named. */
export async function nameObjects(options: NamingOptions): Promise<void> {
  const { reader, pace, meter, findings, unchecked, opensInline } = options;
  if (!opensInline) return;
  meter.phase('objects within the metadata', 0);
  let closed = 0;
  await walkMetadata(reader, pace, {
    async listed(bucket, { key, record }) {
      meter.advance(1);
      if (record.kind !== 'object') return;
      const { embedded } = record.manifest;
      if (!embedded || !('inline' in embedded.body)) return;
      const opens = await opensInline(bucket, key, record);
      if (opens === undefined) closed++;
      else if (!opens) {
        const what = 'Its bytes, which lie within the metadata, are not those that were written.';
        findings.add('inline-damaged', versionName(bucket, key, record), what);
      }
    },
    outside: () => false,
  });
  if (closed > 0)
    unchecked.push(`bytes of ${closed} objects within the metadata: they need the keys of those who wrote them`);
}
