import type { KvView } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { IdentityView } from './machine/identity-view.ts';
import type { AccessKeyRecord, BucketRecord } from './machine/records.ts';

/** Rows by name; what is not there is not kept, since there is no end to names that do not exist. */
class Rows<Row> {
  readonly #rows = new Map<string, Row>();

  get(name: string): Row | undefined {
    return this.#rows.get(name);
  }

  set(name: string, row: Row | undefined): void {
    if (row === undefined) return;
    if (this.#rows.size >= limits.readerRowsKept) this.#rows.clear();
    this.#rows.set(name, row);
  }

  clear(): void {
    if (this.#rows.size > 0) this.#rows.clear();
  }
}

/** What every request asks the metadata for, as it was read after the newest commit. */
export class Kept {
  readonly #kv: KvView;
  #commits: number | undefined;
  position: number | undefined;
  identityGeneration: number | undefined;
  readonly buckets = new Rows<BucketRecord>();
  readonly accessKeys = new Rows<AccessKeyRecord>();
  /** By bucket and kind, of buckets that are there: null where a bucket has none, which is what most requests find. */
  readonly configurations = new Rows<Buffer | null>();

  constructor(kv: KvView) {
    this.#kv = kv;
  }

  /** Before each use: forgets everything when something was committed. Undefined where nobody says whether anything was. */
  newest(): this | undefined {
    const commits = this.#kv.commitCount();
    if (commits !== this.#commits) {
      this.#commits = commits;
      this.position = undefined;
      this.identityGeneration = undefined;
      this.buckets.clear();
      this.accessKeys.clear();
      this.configurations.clear();
    }
    return commits === undefined ? undefined : this;
  }
}

/** Every request of a user asks whether what is known of him is still true. */
export class KeptIdentities extends IdentityView {
  readonly #kept: Kept;

  constructor(kv: KvView, kept: Kept) {
    super(kv);
    this.#kept = kept;
  }

  override generation(): number {
    const kept = this.#kept.newest();
    if (!kept) return super.generation();
    kept.identityGeneration ??= super.generation();
    return kept.identityGeneration;
  }
}
