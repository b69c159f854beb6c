import { type Freshness, fresh, type Scope } from '../src/api/http/consistency.ts';
import { tokenOf } from '../src/api/http/token.ts';
import { StoreError } from '../src/errors.ts';
import { InvariantError } from '../src/invariant.ts';
import { type ObjectVersion, type Proposer, shardOfNumber } from '../src/metadata/index.ts';
import { etagText, type Incoming, type ObjectService, versionIdText } from '../src/objects/index.ts';
import type { Coverage } from './coverage.ts';
import type { History } from './history.ts';
import { LockedVersion, lockAsked } from './locks.ts';
import { isFading, isRegister } from './ruled.ts';
import { type Operation, operationText } from './scenario.ts';
import { absent, never, type Write } from './seen.ts';
import type { Dice } from './world/dice.ts';
import type { Life } from './world/life.ts';
import type { Scheduler } from './world/scheduler.ts';

/** Who answers a client now. */
export interface Door {
  readonly objects: ObjectService;
  readonly proposer: Proposer;
  readonly life: Life;
  /** A request is being served, until what it gives is called. */
  serve(): () => void;
  /** How this server comes to be as fresh as a request asks for. */
  readonly freshness: Freshness;
  /** Where the shards that an answer was read of stand, as positions that tell their shard. */
  seen(scope: Scope): readonly number[];
  /** How many shards a bucket has, as far as this server knows. */
  shardsOf(bucket: string): number;
}

export interface ClientParts {
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly coverage: Coverage;
  readonly dice: Dice;
  /** A server to talk to; undefined while there is none. */
  readonly door: () => Door | undefined;
  /** Ends the process of a node at once, while things break. */
  readonly kill: (node: string) => void;
  /** Object shards that the cluster began with. */
  readonly shards: number;
  /** No wall clock is set in this run. */
  readonly clocksAgree: boolean;
}

/** A client waits so long for an answer. */
const patienceMs = 20_000;

/** Waits in the middle of a request. */
export type Pause = (milliseconds: number) => Promise<void>;

/** Kills the process that was asked, so much later. */
type Die = (ms: number) => void;

/** What an operation came to, for its client. */
export type Outcome<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'refused'; readonly error: StoreError }
  | { readonly kind: 'unknown' };

/** As for whoever proposed it (objects/publish.ts): below 500 nothing was done. */
const isRefusal = (error: StoreError): boolean => error.http < 500 || error.code === 'SlowDown';

export const scopeOf = ({ bucket, key }: { readonly bucket: string; readonly key: string }): Scope => ({
  bucket,
  key: Buffer.from(key),
});

/** The name of what an object holds: who wrote its description last, and its size, which grows with every append to that. */
export const heldBy = (version: ObjectVersion): string => `w${writerOf(version)}/${version.size}`;
export const writerOf = (version: ObjectVersion): string => version.metadata.find(([name]) => name === 'w')?.[1] ?? '?';
export const markerOf = (id: string): string => `marker ${id}`;

export const describing = (write: number) =>
  ({ headers: {}, metadata: [['w', String(write)]], tags: [], storageClass: 'STANDARD' }) as const;

/** One client: how it asks whatever server there is, and where it writes down what it saw. */
export class Session {
  readonly name: string;
  readonly parts: ClientParts;
  /** Sizes that this client knows, for appends. */
  readonly sizes = new Map<string, number>();
  /** What it was handed with its last answer: up to where, in each shard, it has seen what was decided. */
  token: string | undefined;
  /** How many shards the bucket of its last answer had. */
  spread = 1;
  /** Names that this client knows to be left for good, of objects that get others. */
  readonly left = new Set<string>();
  /** The newest that this client wrote or saw of each key. */
  readonly newest = new Map<string, number>();

  constructor(name: string, parts: ClientParts) {
    this.name = name;
    this.parts = parts;
  }

  /** Asks the server; the answer may be lost with it, or come too late. */
  async ask<Result>(
    call: (objects: ObjectService, pause: Pause, die: Die) => Promise<Result> | Result,
    scope: Scope,
    level: 'strong' | 'causal' = 'strong',
  ): Promise<Outcome<Result>> {
    const { coverage, scheduler } = this.parts;
    const door = this.parts.door();
    if (!door) return { kind: 'unknown' };
    const die: Die = (ms) => {
      door.life.after(ms, this.name, () => this.parts.kill(door.life.name.split('.')[0] as string));
    };
    // When the server is gone so is the connection: nothing of the request goes on.
    const pause: Pause = async (milliseconds) => {
      await scheduler.sleep(milliseconds, this.name);
      if (!door.life.alive) await new Promise<never>(() => {});
    };
    let stopWaiting = (): void => {};
    const patience = new Promise<Outcome<Result>>((resolve) => {
      stopWaiting = scheduler.after(patienceMs, this.name, () => resolve({ kind: 'unknown' }));
    });
    const answer = (async (): Promise<Outcome<Result>> => {
      try {
        // At the strong level nobody needs a token: what waits for one as well would hide what a barrier lacks.
        await fresh(door.freshness, level, level === 'causal' ? this.token : undefined, scope);
        const result = await call(door.objects, pause, die);
        const seen = door.seen(scope);
        if (!scope.key && !scope.wide && seen.length > 2) coverage.hit('a list was merged over shards');
        this.token = tokenOf(seen, this.token);
        if (scope.bucket !== undefined) this.spread = door.shardsOf(scope.bucket);
        return { kind: 'done', result };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (error.cause instanceof InvariantError) throw error.cause;
        if (error.code === 'StorageFull') coverage.hit('a write was refused because the storage is full');
        return isRefusal(error) ? { kind: 'refused', error } : { kind: 'unknown' };
      }
    })();
    const served = door.serve();
    answer.then(served, served);
    const broken = door.life.ended.then((): Outcome<Result> => ({ kind: 'unknown' }));
    const outcome = await Promise.race([answer, patience, broken]);
    stopWaiting();
    // Whatever comes later: a failure of the program must not stay unseen.
    answer.catch((error) => scheduler.fail(error));
    if (outcome.kind === 'unknown') coverage.hit('a client never learned what became of its write');
    else if (door.life.name !== 'n1.1')
      coverage.hit('a client got an answer after its process was killed and started again');
    return outcome;
  }

  begin(operation: Operation, bucket = operation.bucket, key = operation.key): Write {
    const { history, scheduler } = this.parts;
    const write: Write = {
      kind: 'write',
      start: scheduler.stamp(),
      end: never,
      value: undefined,
      order: undefined,
      what: operationText(operation),
      write: operation.write,
      removes: operation.kind === 'delete',
      refused: false,
    };
    history.of(bucket, key).writes.push(write);
    return write;
  }

  /** The client has its answer, or none. */
  end(write: Write, operation: Operation, outcome: Outcome<{ readonly version: ObjectVersion }>): void {
    const { history, scheduler } = this.parts;
    const name = `${operation.bucket}/${operation.key}`;
    if (outcome.kind === 'unknown') return;
    write.end = scheduler.stamp();
    if (outcome.kind === 'refused') {
      write.refused = true;
      return;
    }
    const { version } = outcome.result;
    write.value = heldBy(version);
    write.order = version.sequence;
    const shard = shardOfNumber(version.sequence);
    if (shard > 0) this.parts.coverage.hit('a write was decided in an object shard');
    if (shard > this.parts.shards) this.parts.coverage.hit('a key was made in a shard that its bucket was given');
    this.sizes.set(name, version.size);
    if (isRegister(operation.bucket)) this.sees(name, version.sequence, write.what);
    this.learn(name, version);
    const id = versionIdText(version);
    if (operation.bucket === 'locked') {
      const { mode, held } = lockAsked(operation.with['lock']);
      history.lock(name, new LockedVersion(id, write.value, mode, held));
      if (mode || held) this.parts.coverage.hit('a version was locked');
    }
    if (operation.bucket === 'kept') {
      history.keep(name, {
        id,
        value: write.value,
        sequence: version.sequence,
        condemned: false,
      });
    }
  }

  learn(name: string, version: ObjectVersion): void {
    this.parts.history.learnEtag(name, etagText(version), heldBy(version));
  }

  /** Session guarantees: nobody sees less than he saw before, or wrote himself. @throws Error when he does */
  sees(name: string, order: number, what: string): void {
    const before = this.newest.get(name) ?? 0;
    if (order < before) throw new Error(`${what}: its client had seen ${before} of ${name}, and sees ${order}`);
    this.newest.set(name, order);
  }

  saw(
    operation: Operation,
    start: number,
    value: string,
    order: number | undefined,
    bucket = operation.bucket,
    key = operation.key,
  ) {
    if (!isRegister(bucket)) return;
    // It may be the lifecycle that took it away, and nobody saw that.
    if (isFading(bucket, key) && value === absent) return;
    const { history, scheduler } = this.parts;
    const read = { kind: 'read', start, end: scheduler.stamp(), value, order, what: operationText(operation) } as const;
    history.of(bucket, key).reads.push(read);
  }

  /** The bytes of a write on their way to the server. */
  body(operation: Operation, bytes: Buffer, pause: Pause): Incoming {
    const { mode } = operation.with;
    const { coverage, dice } = this.parts;
    const wait = mode === 'slow' ? 30 : 0.3;
    async function* stream(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; ) {
        if (mode !== 'whole') await pause(dice.float() * wait);
        const end = at + 1 + dice.below(Math.max(4000, bytes.length / 4));
        if (mode === 'broken' && end >= bytes.length / 2) {
          coverage.hit('a body broke off');
          throw new StoreError('IncompleteBody');
        }
        yield bytes.subarray(at, end);
        at = end;
      }
    }
    return {
      stream: stream(),
      length: bytes.length,
      ...(mode === 'whole' && bytes.length < 60_000 && { whole: bytes }),
    };
  }
}
