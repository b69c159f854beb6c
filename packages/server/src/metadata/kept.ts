import type { KvView } from '../kv/index.ts';
import { limits } from '../limits.ts';
import type { ConfigurationKind } from './machine/configurations.ts';
import { IdentityView } from './machine/identity-view.ts';
import { QuotaView } from './machine/quota-view.ts';
import type { AccessKeyRecord, BucketId, BucketRecord } from './machine/records.ts';
import type { View } from './machine/view.ts';

/** Rows by name; what is not there is not kept, since there is no end to names that do not exist. */
class Rows<Name, Row> {
  readonly #rows = new Map<Name, Row>();

  get(name: Name): Row | undefined {
    return this.#rows.get(name);
  }

  set(name: Name, row: Row | undefined): void {
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
  metered: boolean | undefined;
  readonly buckets = new Rows<string, BucketRecord>();
  readonly accessKeys = new Rows<string, AccessKeyRecord>();
  /** Whether a bucket has any configuration: most have none, and every request asks for several kinds. */
  readonly #configured = new Rows<BucketId, boolean>();
  /** By bucket and kind, of buckets that are there: null where a bucket has none, which is what most requests find. */
  readonly #configurations = new Rows<string, Buffer | null>();

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
      this.metered = undefined;
      this.buckets.clear();
      this.accessKeys.clear();
      this.#configured.clear();
      this.#configurations.clear();
    }
    return commits === undefined ? undefined : this;
  }

  configuration(view: View, id: BucketId, kind: ConfigurationKind): Buffer | undefined {
    let configured = this.#configured.get(id);
    if (configured === undefined) {
      configured = view.isConfigured(id);
      this.#configured.set(id, configured);
    }
    if (!configured) return undefined;
    const name = `${id} ${kind}`;
    const known = this.#configurations.get(name);
    if (known !== undefined) return known ?? undefined;
    const found = view.configuration(id, kind);
    this.#configurations.set(name, found ?? null);
    return found;
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

/** Whether there are any quotas, every write of a user asks. */
export class KeptQuotas extends QuotaView {
  readonly #kept: Kept;

  constructor(view: View, kept: Kept) {
    super(view);
    this.#kept = kept;
  }

  override any(): boolean {
    const kept = this.#kept.newest();
    if (!kept) return super.any();
    kept.metered ??= super.any();
    return kept.metered;
  }
}
