import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { successor } from '../address.ts';
import type { Pace } from '../jobs/pace.ts';
import type { ProgressMeter } from '../jobs/progress.ts';
import type { Findings } from './findings.ts';
import { IdMarks, sliceOf } from './marks.ts';
import { type Visitor, walkMetadata } from './walk.ts';

interface ReferenceOptions {
  readonly reader: MetadataReader;
  readonly pace: Pace;
  readonly meter: ProgressMeter;
  readonly findings: Findings;
  /** Manifests counted at the same time, and how many there are about. */
  readonly capacity: number;
  readonly expected: number;
}

/** Walks that have to find the same: in one, a holder may come where it has not been yet and another go where it has, and the recorded count stands still. */
export const confirmations = 3;

type Link = ReturnType<MetadataReader['links']>[number];

const nameOf = (manifest: Buffer): string => manifest.toString('latin1');

/**
 * Counts how many versions, links and borrowing pieces hold each manifest and compares with the recorded counts. What differs is counted anew in walks of
 * their own, and is a finding only if the recorded count stayed the same meanwhile and differed in each of them.
 * @returns false when there are too many links to count
 */
export async function checkReferences(options: ReferenceOptions): Promise<boolean> {
  const { reader, meter, capacity, expected } = options;
  const slices = Math.max(1, Math.ceil(expected / capacity));
  /** Recorded counts of manifests that look wrong. */
  const suspects = new Map<string, number>();
  for (let slice = 0; slice < slices; slice++) {
    const suffix = slices === 1 ? '' : ` (${slice + 1} of ${slices})`;
    const counted = new IdMarks(Math.min(capacity, expected) + limits.jobPage);
    meter.phase(`counting references${suffix}`, 0);
    const done = await countHolders(options, (manifest) => {
      if (sliceOf(manifest, slices) !== slice) return;
      const before = counted.get(manifest);
      if (before > 0 || !counted.isFull) counted.set(manifest, before + 1);
    });
    if (!done) return false;
    meter.phase(`comparing references${suffix}`, 0);
    await eachHolder(options, (manifest) => {
      const found = counted.get(manifest);
      if (found === 0 || suspects.size >= limits.reportedFindings) return;
      const recorded = reader.references(manifest);
      if (recorded !== found) suspects.set(nameOf(manifest), recorded);
    });
  }
  if (suspects.size > 0) await confirm(options, suspects);
  return true;
}

interface Counted {
  readonly recorded: number;
  readonly found: number;
}

async function confirm(options: ReferenceOptions, suspects: ReadonlyMap<string, number>): Promise<void> {
  let left: ReadonlyMap<string, Counted> = await countAgain(options, suspects);
  for (let walk = 1; walk < confirmations && left.size > 0; walk++)
    left = await countAgain(options, new Map([...left].map(([name, { recorded }]) => [name, recorded])));
  for (const [name, { recorded, found }] of left) {
    const what = `The recorded number of holders is ${recorded}, and ${found} versions, links and borrowing pieces hold it.`;
    options.findings.add('reference-count', `manifest ${Buffer.from(name, 'latin1').toString('hex')}`, what);
  }
}

/** One walk. @returns those whose recorded count stayed the same and still differs */
async function countAgain(
  options: ReferenceOptions,
  suspects: ReadonlyMap<string, number>,
): Promise<Map<string, Counted>> {
  const counted = new Map<string, number>();
  options.meter.phase('counting suspicious references', 0);
  await countHolders(options, (manifest) => {
    const name = nameOf(manifest);
    if (suspects.has(name)) counted.set(name, (counted.get(name) ?? 0) + 1);
  });
  const left = new Map<string, Counted>();
  for (const [name, recorded] of suspects) {
    const found = counted.get(name) ?? 0;
    const isSame = options.reader.references(Buffer.from(name, 'latin1')) === recorded;
    if (found > 0 && found !== recorded && isSame) left.set(name, { recorded, found });
  }
  return left;
}

/** Calls `count` once per version, link and borrowing piece that holds a manifest. Resolves to false when the links are too many. */
async function countHolders(options: ReferenceOptions, count: (manifest: Buffer) => void): Promise<boolean> {
  const links = await readLinks(options);
  if (!links) return false;
  const byManifest = new Map<string, Link>(links.map((link) => [nameOf(link.manifest), link]));
  const held = new Set<string>();
  await eachHolder(options, (manifest) => {
    count(manifest);
    const name = nameOf(manifest);
    if (byManifest.has(name)) held.add(name);
  });
  // A link holds its target as long as something holds the link: a version, a borrowing piece or another link. The set grows while it is gone through.
  for (const name of held) {
    const link = byManifest.get(name) as Link;
    count(link.target);
    const target = nameOf(link.target);
    if (byManifest.has(target)) held.add(target);
  }
  return true;
}

async function readLinks({ reader, pace }: ReferenceOptions): Promise<Link[] | undefined> {
  const links: Link[] = [];
  let next: Buffer | undefined = Buffer.alloc(16);
  while (next) {
    const page: readonly Link[] = reader.links(next, limits.jobPage);
    links.push(...page);
    if (links.length > limits.checkLinks) return undefined;
    const last = page.at(-1);
    next = last && successor(last.manifest);
    await pace.step();
  }
  return links;
}

/** Versions, and pieces that borrow: these until they are collected. */
async function eachHolder({ reader, pace, meter }: ReferenceOptions, visit: (manifest: Buffer) => void): Promise<void> {
  const visitor: Visitor = {
    listed: () => meter.advance(1),
    outside(_bucket, { manifest }) {
      visit(manifest.id);
      return false;
    },
  };
  await walkMetadata(reader, pace, visitor);
  for (let page = reader.lenders(undefined, limits.jobPage); ; page = reader.lenders(page.next, limits.jobPage)) {
    for (const manifest of page.manifests) visit(manifest);
    await pace.step();
    if (!page.next) return;
  }
}
