import type { FragmentStore } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import {
  type BucketCounts,
  type BucketRecord,
  type ListedVersion,
  lenderOf,
  type MetadataReader,
  type ObjectVersion,
  type PartRecord,
  type Piece,
  type Stripe,
  type UploadRecord,
} from '../../metadata/index.ts';
import { fragmentId, lengthOf, storedBytes } from '../address.ts';
import { fragmentBytes } from '../coded/striping.ts';
import { trailerBytes } from '../coded/trailer.ts';
import type { GroupTable } from '../groups.ts';
import type { ProgressMeter } from '../jobs/progress.ts';
import type { Suspicion, Suspicions } from './findings.ts';
import { stripesOf, type Visitor } from './walk.ts';

/** What the walk met. Bytes are stored bytes of one copy. */
export interface CheckTotals {
  buckets: number;
  versions: number;
  uploads: number;
  parts: number;
  stripes: number;
  stripeBytes: number;
}

export interface ReachOptions {
  readonly reader: MetadataReader;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  /** Devices that another machine has, and whose fragments are checked there. Absent: none. */
  readonly elsewhere?: ((device: string) => boolean) | undefined;
  readonly groups: GroupTable;
  readonly suspicions: Suspicions;
  readonly meter: ProgressMeter;
  readonly totals: CheckTotals;
  /** The first of several walks: what does not belong to a stripe is checked and counted in this one only. */
  readonly first: boolean;
  /** A stripe was met. Answers whether it should be looked at: it is in this walk's share and was not met before. */
  readonly meet: (stripe: Buffer) => boolean;
  /** Devices whose copy of a stripe is known to be damaged; bytes are not read here. */
  readonly damaged: (stripe: Buffer) => readonly string[];
  /** Stripes with a copy on a device that is not here. */
  readonly absent: Map<string, number>;
}

type Problem = Omit<Suspicion, 'still'>;

/** Counts that a walk finds again. Of parts only those are counted that came since quotas can be set. */
type Counted = Omit<BucketCounts, 'partBytes'>;

/** Checks everything that versions and uploads point to. */
export class Reach implements Visitor {
  readonly #options: ReachOptions;
  /** Manifests walked lately: many versions may share one. */
  readonly #walked = new Set<string>();
  #tally = { objects: 0, versions: 0, uploads: 0, bytes: 0 };
  #before: Counted = this.#tally;
  #size = 0;

  constructor(options: ReachOptions) {
    this.#options = options;
  }

  bucket(bucket: BucketRecord): void {
    this.#tally = { objects: 0, versions: 0, uploads: 0, bytes: 0 };
    this.#before = copyOf(bucket.counts);
  }

  /** Counts can be compared when nothing was written to the bucket meanwhile. */
  bucketDone(bucket: BucketRecord): void {
    const { first, reader, suspicions, totals } = this.#options;
    if (!first) return;
    totals.buckets += 1;
    const before = this.#before;
    const tally = this.#tally;
    if (same(before, tally)) return;
    suspicions.add({
      kind: 'bucket-counts',
      where: bucket.name,
      what: `The bucket's counts are ${text(before)}, and it holds ${text(tally)}.`,
      still: () => {
        const now = reader.bucketById(bucket.id)?.counts;
        return now !== undefined && same(now, before);
      },
    });
  }

  listed(_bucket: BucketRecord, { record, isLatest }: ListedVersion): void {
    this.#options.meter.advance(1);
    this.#tally.versions += 1;
    if (this.#options.first) this.#options.totals.versions += 1;
    if (record.kind !== 'object') return;
    if (isLatest) this.#tally.objects += 1;
    this.#tally.bytes += record.size;
  }

  outside(_bucket: BucketRecord, { manifest }: ObjectVersion): boolean {
    const name = `${manifest.id.toString('latin1')}${manifest.pieces}`;
    if (this.#walked.has(name)) return false;
    if (this.#walked.size >= limits.jobPage) this.#walked.clear();
    this.#walked.add(name);
    this.#size = 0;
    return true;
  }

  pieces(bucket: BucketRecord, version: ObjectVersion, key: Buffer, _first: number, pieces: readonly Piece[]): void {
    const where = (): string => versionName(bucket, key, version);
    const present = (): boolean => this.#versionPresent(bucket, key, version);
    for (const piece of pieces) {
      this.#size += piece.size;
      this.#piece(piece, where, present);
      this.#lent(piece, where, present);
    }
  }

  piecesDone(bucket: BucketRecord, version: ObjectVersion, key: Buffer, found: number): void {
    if (!this.#options.first) return;
    const { manifest, size } = version;
    const still = (): boolean => this.#versionPresent(bucket, key, version);
    if (found < manifest.pieces) {
      const what = `The version has ${manifest.pieces} pieces, and ${found} of them are there.`;
      this.#options.suspicions.add({ kind: 'pieces-missing', where: versionName(bucket, key, version), what, still });
    } else if (this.#size !== size) {
      const what = `The version has ${size} bytes, and its pieces have ${this.#size}.`;
      this.#options.suspicions.add({ kind: 'size-mismatch', where: versionName(bucket, key, version), what, still });
    }
  }

  upload(): void {
    this.#tally.uploads += 1;
    if (this.#options.first) this.#options.totals.uploads += 1;
  }

  part(bucket: BucketRecord, upload: UploadRecord, part: PartRecord): void {
    if (this.#options.first) this.#options.totals.parts += 1;
    const where = (): string =>
      `${bucket.name}/${upload.key.toString()} part ${part.number} of upload ${upload.id.toString('hex')}`;
    const present = (): boolean =>
      this.#options.reader.upload(bucket.id, upload.key, upload.id) !== undefined &&
      this.#options.reader.part(upload.id, part.number)?.piece.salt.equals(part.piece.salt) === true;
    this.#piece(part.piece, where, present);
    this.#lent(part.piece, where, present);
  }

  /** What a piece borrows, which may be reached in no other way. */
  #lent(piece: Piece, where: () => string, present: () => boolean): void {
    if (!('borrowed' in piece.body)) return;
    const { borrowed } = piece.body;
    const { manifest, first, end, offset } = borrowed;
    let bytes = 0;
    for (const { piece: lent } of this.#options.reader.placedPieces(lenderOf(borrowed), first, end - first)) {
      bytes += lent.size;
      this.#piece(lent, where, present);
      this.#lent(lent, where, present);
    }
    if (!this.#options.first || bytes >= offset + piece.size) return;
    const what = `It borrows ${piece.size} bytes from byte ${offset} of pieces of manifest ${manifest.toString('hex')}, and these have ${bytes}.`;
    this.#options.suspicions.add({ kind: 'pieces-missing', where: where(), what, still: present });
  }

  /** A null version, as all of a bucket without versioning are, is found as such only: it has no id that could be asked for. */
  #versionPresent(bucket: BucketRecord, key: Buffer, { isNull, sequence, nonce, manifest }: ObjectVersion): boolean {
    const now = this.#options.reader.version(bucket.id, key, isNull ? 'null' : { sequence, nonce });
    return now?.kind === 'object' && now.manifest.id.equals(manifest.id) && now.manifest.pieces === manifest.pieces;
  }

  #piece(piece: Piece, where: () => string, present: () => boolean): void {
    const { first, meet, suspicions, totals } = this.#options;
    const stripes = stripesOf(piece);
    const sum = stripes.reduce((bytes, stripe) => bytes + stripe.length, 0);
    if (first && stripes.length > 0 && sum !== piece.size) {
      const what = `A piece has ${piece.size} bytes, and its stripes have ${sum}.`;
      suspicions.add({ kind: 'size-mismatch', where: where(), what, still: present });
    }
    for (const stripe of stripes) {
      if (!meet(stripe.id)) continue;
      totals.stripes += 1;
      totals.stripeBytes += storedBytes(stripe);
      this.#absentCopies(stripe);
      for (const problem of this.#inspect(stripe, where)) {
        const still = (): boolean =>
          present() &&
          this.#inspect(stripe, where).some(({ kind, where: at }) => kind === problem.kind && at === problem.where);
        suspicions.add({ ...problem, still });
      }
    }
  }

  #absentCopies(stripe: Stripe): void {
    const { absent, elsewhere, groups, stores } = this.#options;
    for (const device of groups.byId(stripe.group)?.devices ?? []) {
      if (!stores.has(device) && elsewhere?.(device) !== true) absent.set(device, (absent.get(device) ?? 0) + 1);
    }
  }

  /** What is wrong with a stripe now. */
  #inspect(stripe: Stripe, where: () => string): Problem[] {
    const { groups, reader, stores } = this.#options;
    const name = stripe.id.toString('hex');
    const problems: Problem[] = [];
    if (!reader.stripeOwner(stripe.id)) {
      problems.push({ kind: 'stripe-unowned', where: where(), what: `Stripe ${name} is not in the table of stripes.` });
    }
    const group = groups.byId(stripe.group);
    if (!group) {
      const what = `Stripe ${name} names placement group ${stripe.group}, which is not defined.`;
      return [...problems, { kind: 'group-undefined', where: where(), what }];
    }
    const stored = storedBytes(stripe);
    const { code } = group;
    const bad: Problem[] = [];
    let reachable = 0;
    const part = code ? 'Fragment' : 'Copy';
    const damaged = this.#options.damaged(stripe.id);
    for (const [index, device] of group.devices.entries()) {
      const store = stores.get(device);
      const length = store && lengthOf(store, fragmentId(stripe.id, index));
      const expected = code ? fragmentBytes(code, stored, index) + trailerBytes : stored;
      if ((!store || length === expected) && damaged.includes(device)) {
        const what = `${part} ${index} of stripe ${name} was found damaged, and could not be written again; it belongs to ${where()}.`;
        bad.push({ kind: 'fragment-damaged', where: `device ${device}`, what });
      } else if (!store || length === expected) reachable += 1;
      // The walk over the fragments names a damaged row.
      else if (length === 'damaged') continue;
      else if (length === undefined) {
        const what = `${part} ${index} of stripe ${name} is not on its device; it belongs to ${where()}.`;
        bad.push({ kind: 'fragment-missing', where: `device ${device}`, what });
      } else {
        const what = `${part} ${index} of stripe ${name} has ${length} bytes instead of ${expected}; it belongs to ${where()}.`;
        bad.push({ kind: 'fragment-length', where: `device ${device}`, what });
      }
    }
    // What has moved may still be where it was, on another machine.
    const mayBeElsewhere = this.#options.elsewhere !== undefined && group.epoch > 1;
    if (reachable >= (code?.data ?? 1) || mayBeElsewhere) return [...problems, ...bad];
    const what = code
      ? `Only ${reachable} good fragments of stripe ${name} are left, and ${code.data} are needed.`
      : `No good copy of stripe ${name} is on any device.`;
    return [...problems, { kind: 'stripe-lost', where: where(), what }];
  }
}

const copyOf = ({ objects, versions, uploads, bytes }: Counted): Counted => ({
  objects,
  versions,
  uploads,
  bytes,
});

const same = (a: Counted, b: Counted): boolean =>
  a.objects === b.objects && a.versions === b.versions && a.uploads === b.uploads && a.bytes === b.bytes;

const text = ({ objects, versions, uploads, bytes }: Counted): string =>
  `${objects} objects, ${versions} versions, ${uploads} uploads and ${bytes} bytes`;

/** How findings name a version. */
export function versionName(bucket: BucketRecord, key: Buffer, { isNull, sequence, nonce }: ObjectVersion): string {
  const id = isNull ? 'null' : sequence.toString(16).padStart(16, '0') + nonce.toString('hex');
  return `${bucket.name}/${key.toString()} version ${id}`;
}
