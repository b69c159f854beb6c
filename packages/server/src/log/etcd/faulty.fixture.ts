import {
  type Etcd,
  EtcdError,
  type RangeAnswer,
  type Transaction,
  type TransactionAnswer,
  type Watcher,
} from './types.ts';

/** What becomes of the answer to a transaction. */
export type Fate =
  /** It is made, and its answer is lost. */
  | 'answer lost'
  /** It is lost on its way. */
  | 'request lost'
  /** It seems lost, and is made when {@link FaultyEtcd.release} is called. */
  | 'delayed'
  /** It is refused: there is no space. */
  | 'full';

/** The etcd of one node, with faults. */
export class FaultyEtcd implements Etcd {
  readonly #inner: Etcd;
  #resumed: Promise<void> | undefined;
  #resume: () => void = () => {};
  #cut = false;
  #deaf = false;
  #old: RangeAnswer | undefined;
  readonly #fates: Fate[] = [];
  readonly #delayed: (() => Promise<TransactionAnswer>)[] = [];
  readonly #watchers = new Set<Watcher>();
  /** Calls by name. */
  readonly calls = new Map<string, number>();
  /** Those that etcd has answered, whatever becomes of the answer. */
  readonly answered = new Map<string, number>();
  /** Every transaction that was sent, whatever became of it. */
  readonly transactions: Transaction[] = [];

  constructor(inner: Etcd) {
    this.#inner = inner;
  }

  get quotaBytes(): number {
    return this.#inner.quotaBytes;
  }

  pause(): void {
    this.#resumed ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resumed = undefined;
    this.#resume();
  }

  /** @param cut whether every call fails */
  cut(cut: boolean): void {
    this.#cut = cut;
    if (!cut) for (const watcher of this.#watchers) watcher.wake();
  }

  /** The member that is asked alone answers so from now on. */
  lag(old: RangeAnswer): void {
    this.#old = old;
  }

  /** Watches tell nothing from now on, but {@link nudge}. */
  deafen(): void {
    this.#deaf = true;
  }

  /** Watches say what this key is now. */
  async nudge(key: string): Promise<void> {
    const value = (await this.#inner.range({ key })).pairs[0]?.value;
    for (const watcher of this.#watchers) watcher.wake(key, value);
  }

  /** The next transactions that write come to these ends. */
  expect(...fates: readonly Fate[]): void {
    this.#fates.push(...fates);
  }

  /** Makes what was delayed, last first. @returns how they went */
  async release(): Promise<TransactionAnswer[]> {
    const answers: TransactionAnswer[] = [];
    for (const run of this.#delayed.splice(0).reverse()) answers.push(await run());
    return answers;
  }

  async #pass<T>(name: string, call: () => Promise<T>): Promise<T> {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    await this.#resumed;
    if (this.#cut) throw new EtcdError('cut off', 'unknown');
    const answer = await call();
    this.answered.set(name, (this.answered.get(name) ?? 0) + 1);
    await this.#resumed;
    if (this.#cut) throw new EtcdError('cut off', 'unknown');
    return answer;
  }

  async transact(transaction: Transaction): Promise<TransactionAnswer> {
    this.transactions.push(transaction);
    const run = (): Promise<TransactionAnswer> => this.#inner.transact(transaction);
    const fate = this.#fates.shift();
    if (fate === 'answer lost') await run();
    if (fate === 'full') await new Promise(setImmediate);
    if (fate === 'full') throw new EtcdError(fate, 'refused', true);
    if (fate === 'delayed') this.#delayed.push(run);
    if (fate !== undefined) throw new EtcdError(fate, 'unknown');
    return this.#pass('transact', run);
  }

  watch(keys: readonly string[], watcher: Watcher): () => void {
    const wake = (key?: string, value?: Buffer): void => {
      if (!this.#cut && !this.#deaf && !this.#resumed) watcher.wake(key, value);
    };
    this.#watchers.add(watcher);
    return this.#inner.watch(keys, { wake });
  }

  range: Etcd['range'] = (request) =>
    this.#pass(request.serializable ? 'serializable' : 'range', () => {
      // A member has what it had then, whatever came meanwhile.
      const old = request.serializable ? this.#old : undefined;
      return old ? Promise.resolve(old) : this.#inner.range(request);
    });
  ranges: Etcd['ranges'] = (requests) => this.#pass('ranges', () => this.#inner.ranges(requests));
  grant: Etcd['grant'] = (lease, seconds) => this.#pass('grant', () => this.#inner.grant(lease, seconds));
  keepAlive: Etcd['keepAlive'] = (lease) => this.#pass('keepAlive', () => this.#inner.keepAlive(lease));
  revoke: Etcd['revoke'] = (lease) => this.#pass('revoke', () => this.#inner.revoke(lease));
  compact: Etcd['compact'] = (revision) => this.#pass('compact', () => this.#inner.compact(revision));
  defragment: Etcd['defragment'] = (endpoint) => this.#pass('defragment', () => this.#inner.defragment(endpoint));
  statuses: Etcd['statuses'] = () => this.#pass('statuses', () => this.#inner.statuses());
  members: Etcd['members'] = () => this.#pass('members', () => this.#inner.members());
  addLearner: Etcd['addLearner'] = (peerUrl) => this.#pass('addLearner', () => this.#inner.addLearner(peerUrl));
  promote: Etcd['promote'] = (id) => this.#pass('promote', () => this.#inner.promote(id));
  updateMember: Etcd['updateMember'] = (id, peerUrl) =>
    this.#pass('updateMember', () => this.#inner.updateMember(id, peerUrl));
  removeMember: Etcd['removeMember'] = (id) => this.#pass('removeMember', () => this.#inner.removeMember(id));
  moveLeader: Etcd['moveLeader'] = (endpoint, to) =>
    this.#pass('moveLeader', () => this.#inner.moveLeader(endpoint, to));
  use: Etcd['use'] = (endpoints) => this.#inner.use(endpoints);
  alarms: Etcd['alarms'] = () => this.#pass('alarms', () => this.#inner.alarms());
  disarm: Etcd['disarm'] = () => this.#pass('disarm', () => this.#inner.disarm());
  close = async (): Promise<void> => {};
}
