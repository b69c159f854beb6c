import { Kept, type KvView } from '../kv/index.ts';
import { readPosition } from './applied.ts';
import { type ConfigurationKind, configurationKindOf, configurationKinds } from './machine/configurations.ts';
import { IdentityView } from './machine/identity-view.ts';
import { tables } from './machine/keys.ts';
import { QuotaView } from './machine/quota-view.ts';
import type { BucketId } from './machine/records.ts';
import { RenameView } from './machine/renames.ts';
import type { View } from './machine/view.ts';

/** How far the replica is. */
export const keptPosition = (kv: KvView): Kept<'position', number> => new Kept(kv, tables.meta, () => readPosition(kv));

/** The number of a kind is a byte. */
const KINDS = 256;

/** Documents of buckets. Kept is also that there is none: most buckets have none at all, and every request asks for several kinds. */
export class KeptConfigurations {
  readonly #configured: Kept<BucketId, boolean>;
  /** By bucket and kind, as one number: bucket * KINDS + kind. */
  readonly #documents: Kept<number, Buffer | null>;

  constructor(kv: KvView, view: View) {
    this.#configured = new Kept(kv, tables.configurations, (id) => view.isConfigured(id));
    this.#documents = new Kept(
      kv,
      tables.configurations,
      (name) => view.configuration(Math.floor(name / KINDS), configurationKindOf(name % KINDS)) ?? null,
    );
  }

  get(id: BucketId, kind: ConfigurationKind): Buffer | undefined {
    if (!this.#configured.get(id)) return undefined;
    return this.#documents.get(id * KINDS + configurationKinds[kind].number) ?? undefined;
  }
}

/** Every request of a user asks whether what is known of him is still true. */
export class KeptIdentities extends IdentityView {
  readonly #generation: Kept<'generation', number>;

  constructor(kv: KvView) {
    super(kv);
    this.#generation = new Kept(kv, tables.identityCounts, () => super.generation());
  }

  override generation(): number {
    return this.#generation.get('generation') as number;
  }
}

/** Whether there are any quotas, every write of a user asks. */
export class KeptQuotas extends QuotaView {
  readonly #any: Kept<'any', boolean>;

  constructor(kv: KvView, view: View) {
    super(view);
    this.#any = new Kept(kv, tables.quotas, () => super.any());
  }

  override any(): boolean {
    return this.#any.get('any') as boolean;
  }
}

/** Whether any key is held, every read of a key asks, and every token whether keys came from other shards. */
export class KeptRenames extends RenameView {
  readonly #any: Kept<'any', boolean>;
  readonly #into: Kept<BucketId, boolean>;

  constructor(kv: KvView) {
    super(kv);
    this.#any = new Kept(kv, tables.holds, () => this.isHolding());
    this.#into = new Kept(kv, tables.renames, (bucket) => super.into(bucket));
  }

  any(): boolean {
    return this.#any.get('any') as boolean;
  }

  override into(bucket: BucketId): boolean {
    return this.#into.get(bucket) as boolean;
  }
}
