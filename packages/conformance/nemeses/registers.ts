import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { anomaly, initial, type Operation } from '../cluster/history.ts';
import { type Answer, pathOf, type RequestOptions, send } from '../src/request.ts';
import { patienceMs } from '../src/server.ts';
import { bodyOf, writtenIn } from './bodies.ts';

/** How long a request may be silent before its client gives up: longer than a server may take to say that nobody knows. */
const clientPatienceMs = 20_000;

export interface RegistersOptions {
  /** Endpoints that clients may choose from, at this moment. */
  readonly endpoints: () => readonly string[];
  readonly clients: number;
  readonly objects: number;
  /** Sizes of bodies, each as likely as the others. */
  readonly sizes: readonly number[];
  readonly bucket: string;
  /** Rest of a client between two operations, ms. */
  readonly restMs: number;
}

interface Seen {
  readonly value: string;
  /** Undefined where there was no object. */
  readonly etag: string | undefined;
}

/** What became of the operations. Unknown: writes of which nobody said whether they were made. */
export interface Counts {
  written: number;
  read: number;
  conditional: number;
  unknown: number;
  refused: number;
}

/**
 * Clients that write and read objects at `strong` through all nodes. Each write has a value of its own, so the history of every object says whether
 * it can be that of one register. A fifth of the writes are conditional on what was read just before (`If-Match`), and count as a read too.
 */
export class Registers {
  readonly counts: Counts = { written: 0, read: 0, conditional: 0, unknown: 0, refused: 0 };
  readonly histories = new Map<string, Operation[]>();
  /** Longest time in which no client was answered with success, ms. */
  longestGapMs = 0;
  readonly #options: RegistersOptions;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
  #running = true;
  #working: Promise<unknown> = Promise.resolve();
  #names = 0;
  /** Writes that have no answer yet. */
  readonly #underWay = new Set<{ readonly key: string; readonly operation: Operation }>();
  #answeredAt = 0;

  constructor(options: RegistersOptions) {
    this.#options = options;
  }

  get operations(): number {
    const { written, read, unknown, refused } = this.counts;
    return written + read + unknown + refused;
  }

  /** False once told to stop, or after a client met what must not be. */
  get running(): boolean {
    return this.#running;
  }

  start(): void {
    this.#running = true;
    this.#answeredAt = performance.now();
    this.#working = Promise.all(Array.from({ length: this.#options.clients }, () => this.#client()));
    // Who waits hears of it; until then it is not unhandled.
    this.#working.catch(() => {
      this.#running = false;
    });
  }

  /** @throws Error of the first client that met what must not be */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#working;
  }

  async #client(): Promise<void> {
    const { restMs } = this.#options;
    while (this.#running) {
      const roll = this.#roll();
      if (roll < 0.5) await this.#read(this.#some(this.#options.endpoints()), this.#key());
      else await this.#write(this.#some(this.#options.endpoints()), this.#key(), roll < 0.6);
      await sleep(restMs);
    }
  }

  #roll(): number {
    return Math.random();
  }

  #some<One>(of: readonly One[]): One {
    return of[Math.floor(this.#roll() * of.length)] as One;
  }

  #key(): string {
    return `object-${Math.floor(this.#roll() * this.#options.objects)}`;
  }

  #note(key: string, operation: Operation): void {
    const history = this.histories.get(key) ?? [];
    this.histories.set(key, history);
    history.push(operation);
    if (operation.endedAt === Infinity) return;
    this.longestGapMs = Math.max(this.longestGapMs, operation.endedAt - this.#answeredAt);
    this.#answeredAt = operation.endedAt;
  }

  async #send(
    endpoint: string,
    method: string,
    key: string,
    options: RequestOptions = {},
  ): Promise<Answer | undefined> {
    const target = pathOf(this.#options.bucket, key);
    return send(endpoint, method, target, { timeoutMs: clientPatienceMs, agent: this.#agent, ...options }).catch(
      () => undefined,
    );
  }

  /** @returns what was there, undefined when there was no answer */
  async #read(endpoint: string, key: string): Promise<Seen | undefined> {
    const beganAt = performance.now();
    const answer = await this.#send(endpoint, 'GET', key);
    const endedAt = performance.now();
    if (answer?.status === 404 && answer.element('Code') === 'NoSuchKey') {
      this.#note(key, { kind: 'read', value: initial, beganAt, endedAt });
      this.counts.read += 1;
      return { value: initial, etag: undefined };
    }
    if (answer?.status !== 200 || !answer.complete) {
      if (answer && answer.status >= 400 && answer.status < 500) throw unexpected(`GET ${key} at ${endpoint}`, answer);
      this.counts.refused += 1;
      return undefined;
    }
    const value = writtenIn(answer.body);
    if (value === undefined) throw new Error(`${endpoint} gave damaged bytes of ${key}: ${describe(answer)}`);
    this.#note(key, { kind: 'read', value, beganAt, endedAt });
    this.counts.read += 1;
    return { value, etag: answer.headers.etag };
  }

  async #write(endpoint: string, key: string, conditionally: boolean): Promise<void> {
    const { value, body } = bodyOf(`${(this.#names += 1)}`, this.#some(this.#options.sizes));
    const before = conditionally ? await this.#read(endpoint, key) : undefined;
    if (conditionally && !before) return;
    const condition = before && (before.etag === undefined ? { 'if-none-match': '*' } : { 'if-match': before.etag });
    const beganAt = performance.now();
    const underWay = { key, operation: { kind: 'write', value, beganAt, endedAt: Infinity } } as const;
    this.#underWay.add(underWay);
    const answer = await this.#send(endpoint, 'PUT', key, { body, headers: { ...condition } });
    this.#underWay.delete(underWay);
    const endedAt = performance.now();
    // A refusal says that nothing became of it: were it there all the same, a read would name a value that was never written.
    if (before && (answer?.status === 412 || answer?.status === 409)) return;
    if (answer && answer.status >= 400 && answer.status < 500) throw unexpected(`PUT ${key} at ${endpoint}`, answer);
    const known = answer?.status === 200;
    this.#note(key, { kind: 'write', value, beganAt, endedAt: known ? endedAt : Infinity });
    this.counts[known ? 'written' : 'unknown'] += 1;
    if (!known || !before) return;
    this.#note(key, { kind: 'read', value: before.value, beganAt, endedAt });
    this.counts.conditional += 1;
  }

  /**
   * Reads every object at the given endpoints; each must answer, and with what the history allows.
   * @throws Error naming the object and what is impossible about it
   */
  async check(endpoints: readonly string[]): Promise<void> {
    const reads = [...this.histories.keys()].flatMap((key) => endpoints.map((endpoint) => ({ key, endpoint })));
    const lane = async (): Promise<void> => {
      for (let next = reads.pop(); next; next = reads.pop()) await this.#readSurely(next.endpoint, next.key);
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    this.verify();
  }

  /** A read just behind a fault may find a node that is being told who leads: it is asked again. */
  async #readSurely(endpoint: string, key: string): Promise<void> {
    const beganAt = performance.now();
    while ((await this.#read(endpoint, key)) === undefined) {
      if (performance.now() - beganAt > patienceMs) throw new Error(`${endpoint} does not answer for ${key}`);
      await sleep(100);
    }
  }

  /** @throws Error when the history of some object is not one of a register */
  verify(): void {
    for (const [key, history] of this.histories) {
      // A read may have seen a write whose client has no answer yet.
      const begun = [...this.#underWay].flatMap((one) => (one.key === key ? [one.operation] : []));
      const found = anomaly([...history, ...begun]);
      if (found !== undefined) throw new Error(`${key}: ${found}`);
    }
  }
}

const describe = (answer: Answer): string =>
  `${answer.status} ${JSON.stringify(answer.headers)} ${answer.text().slice(0, 300)}`;

const unexpected = (what: string, answer: Answer): Error => new Error(`${what} was answered with ${describe(answer)}`);
