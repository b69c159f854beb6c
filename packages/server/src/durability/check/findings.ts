import { limits } from '../../limits.ts';

/** What can be wrong, with what the operator should do about it. */
export const findingKinds = {
  'stripe-lost': 'No copy is left: restore the object from a backup, or delete it.',
  'stripe-condemned': 'Stop the server before the collector runs, keep the data directories, and report this as a bug.',
  'stripe-unowned': 'Copy the object to a new key before the next start, then delete it, and report this as a bug.',
  'stripe-unreachable': 'Nothing is lost; the space stays in use. Report this as a bug.',
  'group-undefined': 'The object cannot be read: restore it from a backup, and report this as a bug.',
  'device-absent': 'Start the server with the data directory of this device.',
  'fragment-missing': 'Run `dsom scrub`: it is written again from another copy.',
  'fragment-length': 'Run `dsom scrub`; if it stays, restore the object from a backup.',
  'fragment-damaged':
    'Look at the disk. `dsom scrub` writes it again from another copy as soon as there is one; without one, restore the object from a backup.',
  'fragment-orphan':
    'Nothing is lost; the space stays in use until `dsom fsck --data DIR … --rebuild-index DIR`. So it is after a directory was restored from a backup; else report it as a bug.',
  'fragment-misplaced': 'Nothing is lost; this copy is not used. It can be ignored.',
  'index-row':
    'Run `dsom scrub`: the fragment is written again from another copy. Without one, stop the server and run `dsom fsck --data DIR --rebuild-index DIR`.',
  'index-space':
    'Nothing is lost: part of the device gets no new bytes, and some cannot be freed. Stop the server and run `dsom fsck --data DIR --rebuild-index DIR`.',
  'index-overlap': 'Stop the server and run `dsom fsck --data DIR --rebuild-index DIR`, and report this as a bug.',
  'index-unprotected':
    'Stop the server before it writes there: run `dsom fsck --data DIR --rebuild-index DIR`, and report this as a bug.',
  'index-leak':
    'Nothing is lost; the space stays in use until `dsom fsck --data DIR --rebuild-index DIR` was run with the server stopped.',
  'pieces-missing': 'The object cannot be read whole: restore it from a backup, and report this as a bug.',
  'size-mismatch': 'Read the object and compare it with its source; report this as a bug.',
  'metadata-rows':
    'Look at the disk and the memory of this machine. Then stop the server, move that folder away and start: its content is made anew from the log and a snapshot, or from another node. Where the start refuses that, put the folder back, and restore the objects that are named from a backup.',
  'metadata-structure':
    'Look at the disk and the memory of this machine, then restart the server: a start that has to looks at the file first, puts it aside, and makes it anew from the log and a snapshot, or from another node. Where nothing has what that takes it says so: restore metadata/ from a backup.',
  'index-structure':
    'Look at the disk and the memory of this machine, then restart the server: it puts the index aside and makes it anew from the slabs.',
  'inline-damaged':
    'Make the metadata anew, as `metadata-rows` says; where that is refused, restore the object from a backup, or delete it.',
  'reference-count': 'Nothing is lost yet. Keep the server from collecting (stop it) and report this as a bug.',
  'bucket-counts': 'Nothing is lost; figures shown for the bucket are wrong. Report this as a bug.',
  'usage-counts':
    'Nothing is lost; a quota of this tenant or user refuses too early or too late. Report this as a bug; until it is mended, set the quota by as much higher or lower (`dsom quota set`).',
} as const satisfies Record<string, string>;

export type FindingKind = keyof typeof findingKinds;

export interface Finding {
  readonly kind: FindingKind;
  /** What is wrong, as a sentence. */
  readonly what: string;
  /** The bucket and key, stripe, device or manifest. */
  readonly where: string;
  readonly remedy: string;
}

/** Lists findings up to a bound and counts all of them. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #counts = new Map<FindingKind, number>();

  add(kind: FindingKind, where: string, what: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.list.length < limits.reportedFindings) this.list.push({ kind, what, where, remedy: findingKinds[kind] });
  }

  counts(): Partial<Record<FindingKind, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** Something that looks wrong. */
export interface Suspicion {
  readonly kind: FindingKind;
  readonly where: string;
  readonly what: string;
  /** Looks again: whether it is still so. */
  readonly still: () => boolean;
}

/** Keeps suspicions until they are looked at again: beside a working server, much is wrong for a moment. */
export class Suspicions {
  readonly #findings: Findings;
  #waiting: Suspicion[] = [];

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add(suspicion: Suspicion): void {
    this.#waiting.push(suspicion);
    if (this.#waiting.length >= limits.reportedFindings) this.settle();
  }

  /** What is still so becomes a finding. */
  settle(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { kind, where, what, still } of waiting) if (still()) this.#findings.add(kind, where, what);
  }
}
