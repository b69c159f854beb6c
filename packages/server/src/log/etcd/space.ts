import type { Cancel, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Etcd, EtcdError, type MemberStatus } from './types.ts';

/*
 * The space of the log engine. A member whose database file reaches its quota stops taking writes until an operator comes (alarm NOSPACE), so
 * the owner of a log stops before. Trimmed slots give space back in two steps: compaction lets go of their history, and the file uses those
 * pages again; only when it is nearly full and mostly empty are its members defragmented, one after the other, the leader last.
 */

export class Space {
  readonly #etcd: Etcd;
  readonly #host: Host;
  readonly #key: string;
  readonly #stop: Cancel;
  #looking = false;
  /** Share of the quota that the fullest member uses; 1 when one refuses writes. */
  #used = 0;
  /** What the quota turned out to be, as long as a member refuses writes. */
  #quota = Number.POSITIVE_INFINITY;
  #compactedAt = Number.NEGATIVE_INFINITY;
  #defragmentedAt = Number.NEGATIVE_INFINITY;

  /** @param key of no meaning, to be written */
  constructor(etcd: Etcd, host: Host, key: string) {
    this.#etcd = etcd;
    this.#key = key;
    this.#host = host;
    this.#stop = host.timers.every(limits.etcdSpaceMs, () => this.look());
    this.look();
  }

  /** False when what is left is for what frees space. */
  get roomy(): boolean {
    return this.#used * 100 < limits.etcdRoomyPercent;
  }

  /** True when nothing may be appended. */
  get full(): boolean {
    return this.#used * 100 >= limits.etcdFullPercent;
  }

  /** Looks at the members soon, unless it does so now. */
  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    void this.#look()
      .catch(passOver)
      .finally(() => {
        this.#looking = false;
      });
  }

  async #look(): Promise<void> {
    const statuses = await this.#etcd.statuses();
    const refusing = statuses.filter(refuses);
    this.#quota =
      refusing.length === 0 ? Number.POSITIVE_INFINITY : Math.min(this.#quota, ...refusing.map(({ bytes }) => bytes));
    this.#used = Math.max(0, ...statuses.map((one) => this.#share(one)));
    if (!this.roomy) {
      // Pages that compaction freed are counted as free only after a write, and nobody else may be writing now.
      const put = { key: this.#key, value: Buffer.alloc(0) };
      if (refusing.length === 0) await this.#etcd.transact({ compare: [], success: [{ put }] }).catch(passOver);
      await this.#defragment(statuses);
    }
    if (refusing.length > 0 && statuses.every((one) => this.#fill(one) * 100 < limits.etcdFullPercent))
      await this.#etcd.disarm();
  }

  #fill({ bytes, quota }: MemberStatus): number {
    return bytes / Math.min(this.#quota, quota || this.#etcd.quotaBytes);
  }

  #share(status: MemberStatus): number {
    return refuses(status) ? 1 : this.#fill(status);
  }

  async #defragment(statuses: readonly MemberStatus[]): Promise<void> {
    const now = this.#host.clock.monotonic();
    const wasteful = statuses.filter(({ bytes, bytesInUse }) => bytesInUse < bytes / 2);
    if (wasteful.length === 0 || now - this.#defragmentedAt < limits.etcdDefragmentEveryMs) return;
    this.#defragmentedAt = now;
    wasteful.sort((a, b) => Number(a.member === a.leader) - Number(b.member === b.leader));
    for (const { endpoint } of wasteful) await this.#etcd.defragment(endpoint);
  }

  /** Slots were removed at `revision`: now and then their history is let go of. */
  async removed(revision: number): Promise<void> {
    const now = this.#host.clock.monotonic();
    if (now - this.#compactedAt < limits.etcdCompactMs) return;
    this.#compactedAt = now;
    await this.#etcd.compact(revision);
    this.look();
  }

  close(): void {
    this.#stop();
  }
}

/** The next look comes anyway. */
function passOver(error: unknown): void {
  if (!(error instanceof EtcdError)) throw error;
}

/** The member has raised the alarm, and refuses writes until it is taken back. */
const refuses = ({ errors }: MemberStatus): boolean => errors.some((error) => error.includes('NOSPACE'));
