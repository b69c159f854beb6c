import { type MetadataReader, type QuotaSubject, sequenceOf, type Usage } from '../../metadata/index.ts';
import type { Pace } from '../jobs/pace.ts';
import type { ProgressMeter } from '../jobs/progress.ts';
import type { Findings } from './findings.ts';
import { confirmations } from './references.ts';
import { walkMetadata } from './walk.ts';

export interface UsageOptions {
  readonly reader: MetadataReader;
  readonly pace: Pace;
  readonly meter: ProgressMeter;
  readonly findings: Findings;
}

const nothing: Usage = { objects: 0, bytes: 0 };
const same = (a: Usage, b: Usage): boolean => a.objects === b.objects && a.bytes === b.bytes;
const text = ({ objects, bytes }: Usage): string => `${objects} objects and ${bytes} bytes`;
const nameOf = (subject: QuotaSubject): string =>
  subject.kind === 'tenant' ? `tenant ${subject.account}` : `user ${'user' in subject ? subject.user : ''}`;

interface Difference {
  readonly subject: QuotaSubject;
  readonly recorded: Usage;
  readonly found: Usage;
}

/**
 * Holds what tenants and users are counted to have, for their quotas, against what it counts: the counts of a tenant's buckets, which the walk over them has
 * checked, and the versions and uploads that are charged to a user. As with references, a difference is a finding if several walks agree while the
 * recorded figure stands still. Without quotas nothing is walked.
 */
export async function checkUsage({ reader, pace, meter, findings }: UsageOptions): Promise<void> {
  const { quotas } = reader;
  let left: ReadonlyMap<string, Difference> | undefined;
  for (let walk = 0; walk < confirmations && (left === undefined || left.size > 0); walk++) {
    const recorded = new Map([...quotas.counted()].map((subject) => [nameOf(subject), quotas.usage(subject)]));
    if (recorded.size === 0) return;
    meter.phase('counting what users have written', 0);
    const written = await writtenBy(reader, pace, meter);
    const differing = new Map<string, Difference>();
    for (const subject of quotas.counted()) {
      const name = nameOf(subject);
      const now = quotas.usage(subject);
      const found = subject.kind === 'tenant' ? quotas.addedUp(subject.account) : (written.get(name) ?? nothing);
      const before = left ? left.get(name)?.recorded : recorded.get(name);
      // What has changed meanwhile says nothing: the next check sees it.
      if (same(now, found) || !before || !same(now, before)) continue;
      differing.set(name, { subject, recorded: now, found });
    }
    left = differing;
  }
  for (const [name, { subject, recorded, found }] of left ?? []) {
    const whose = subject.kind === 'tenant' ? 'the buckets of the tenant hold' : 'what is charged to the user is';
    findings.add('usage-counts', name, `The count is ${text(recorded)}, and ${whose} ${text(found)}.`);
  }
}

/** One walk: what is charged to each user, by his name in findings. */
async function writtenBy(reader: MetadataReader, pace: Pace, meter: ProgressMeter): Promise<Map<string, Usage>> {
  const written = new Map<string, Usage>();
  const add = (sequence: number, objects: number, bytes: number): void => {
    const user = reader.quotas.writerOf(sequence);
    if (user === undefined) return;
    const name = nameOf({ kind: 'user', user });
    const sum = written.get(name) ?? nothing;
    written.set(name, { objects: sum.objects + objects, bytes: sum.bytes + bytes });
  };
  await walkMetadata(reader, pace, {
    listed(_bucket, { record }) {
      meter.advance(1);
      if (record.kind === 'object') add(record.sequence, 1, record.size);
    },
    outside: () => false,
    part: (_bucket, { id }, { piece }) => add(sequenceOf(id), 0, piece.size),
  });
  return written;
}
