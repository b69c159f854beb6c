import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, type RequestOptions, send } from '../src/request.ts';
import { bodyOf, writtenIn } from './bodies.ts';

/*
 * What `causal` promises a session: it reads its own writes, never goes back in time, and sees with a write what its writer had seen. What `eventual`
 * promises: something that was true once.
 *
 * Each session writes objects of its own with rising numbers, and into each what it knew of the others' objects. Since an object has one writer, who
 * waits for each answer, its numbers say which of two states is newer. A write of unknown outcome may take effect later: its writer leaves the object
 * and goes on with a new one.
 */

/** Number of the newest state of each object that a session is bound to. */
export type Known = Record<string, number>;

/** The state of an object, as its bytes say it. */
export interface State {
  readonly number: number;
  readonly knew: Known;
}

/**
 * Takes in what a session read.
 * @param state undefined: there was no object
 * @returns a sentence that says which promise is broken, or undefined
 */
export function seen(known: Known, object: string, state: State | undefined): string | undefined {
  const number = state?.number ?? 0;
  const least = known[object] ?? 0;
  if (number < least) return `${object} was at ${number} for a session that is bound to ${least}`;
  known[object] = number;
  for (const [other, least] of Object.entries(state?.knew ?? {})) known[other] = Math.max(known[other] ?? 0, least);
  return undefined;
}

interface Session {
  readonly index: number;
  generation: number;
  number: number;
  token: string | undefined;
  known: Known;
}

export interface SessionsOptions {
  readonly endpoints: () => readonly string[];
  readonly sessions: number;
  readonly bucket: string;
  readonly restMs: number;
}

/** Longest list of what a session knew that a write carries; the head of a body holds it. */
const carried = 5;

export class Sessions {
  readonly counts = { written: 0, causal: 0, eventual: 0, unknown: 0, refused: 0, stale: 0 };
  readonly #options: SessionsOptions;
  readonly #sessions: Session[];
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
  /** Highest number that a write of each object was begun with. */
  readonly #begun = new Map<string, number>();
  #running = true;
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#sessions = Array.from({ length: options.sessions }, (_, index) => ({
      index,
      generation: 0,
      number: 0,
      token: undefined,
      known: {},
    }));
  }

  get operations(): number {
    const { written, causal, eventual, unknown, refused } = this.counts;
    return written + causal + eventual + unknown + refused;
  }

  /** False once told to stop, or after a client met what must not be. */
  get running(): boolean {
    return this.#running;
  }

  start(): void {
    this.#running = true;
    this.#working = Promise.all(this.#sessions.map((session) => this.#run(session)));
    this.#working.catch(() => {
      this.#running = false;
    });
  }

  /** @throws Error naming the promise that was broken */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#working;
  }

  async #run(session: Session): Promise<void> {
    while (this.#running) {
      const roll = Math.random();
      if (roll < 0.4) await this.#write(session);
      else if (roll < 0.8) await this.#readCausal(session, this.#some(this.#sessions));
      else await this.#readEventual(this.#some(this.#sessions));
      await sleep(this.#options.restMs);
    }
  }

  #some<One>(of: readonly One[]): One {
    return of[Math.floor(Math.random() * of.length)] as One;
  }

  #send(method: string, object: string, options: RequestOptions): Promise<Answer | undefined> {
    const endpoint = this.#some(this.#options.endpoints());
    const target = pathOf(this.#options.bucket, object);
    return send(endpoint, method, target, { timeoutMs: 20_000, agent: this.#agent, ...options }).catch(() => undefined);
  }

  async #write(session: Session): Promise<void> {
    const object = `s${session.index}-${session.generation}`;
    const number = (session.number += 1);
    this.#begun.set(object, number);
    const knew = Object.fromEntries(Object.entries(session.known).slice(-carried));
    const { body } = bodyOf(JSON.stringify({ number, knew }), 300 + 30_000 * Number(Math.random() < 0.2));
    const headers = session.token === undefined ? {} : { 'x-dsom-token': session.token };
    const answer = await this.#send('PUT', object, { body, headers });
    if (answer?.status === 200) {
      session.token = answer.headers['x-dsom-token'] as string;
      session.known[object] = number;
      this.counts.written += 1;
      return;
    }
    refuseClientError(answer, `PUT ${object}`);
    this.counts.unknown += 1;
    session.generation += 1;
    session.number = 0;
    // Objects that nobody writes any more say nothing new: a session is bound to those in use.
    const inUse = new Set(this.#sessions.map(({ index, generation }) => `s${index}-${generation}`));
    session.known = Object.fromEntries(Object.entries(session.known).filter(([one]) => inUse.has(one)));
  }

  #stateOf(object: string, answer: Answer): State | undefined {
    if (answer.status === 404) return undefined;
    const value = writtenIn(answer.body);
    if (value === undefined) throw new Error(`${object} has damaged bytes: ${answer.text().slice(0, 300)}`);
    const state = JSON.parse(value.slice(0, value.lastIndexOf('/'))) as State;
    if (state.number > (this.#begun.get(object) ?? 0))
      throw new Error(`${object} is at ${state.number}, which nobody wrote`);
    return state;
  }

  async #readCausal(session: Session, of: Session): Promise<void> {
    const object = `s${of.index}-${of.generation}`;
    const headers: Record<string, string> = { 'x-dsom-consistency': 'causal' };
    if (session.token !== undefined) headers['x-dsom-token'] = session.token;
    const answer = await this.#send('GET', object, { headers });
    if (!answer?.complete || (answer.status !== 200 && answer.status !== 404)) {
      refuseClientError(answer, `GET ${object}`);
      this.counts.refused += 1;
      return;
    }
    const broken = seen(session.known, object, this.#stateOf(object, answer));
    if (broken !== undefined) throw new Error(`causal: ${broken}; ${JSON.stringify(answer.headers)}`);
    session.token = (answer.headers['x-dsom-token'] as string | undefined) ?? session.token;
    this.counts.causal += 1;
  }

  async #readEventual(of: Session): Promise<void> {
    const object = `s${of.index}-${of.generation}`;
    const answer = await this.#send('GET', object, { headers: { 'x-dsom-consistency': 'eventual' } });
    if (!answer?.complete || (answer.status !== 200 && answer.status !== 404)) {
      refuseClientError(answer, `GET ${object}`);
      this.counts.refused += 1;
      return;
    }
    this.#stateOf(object, answer);
    this.counts.eventual += 1;
    if (answer.headers['x-dsom-stale-ms'] !== undefined) this.counts.stale += 1;
  }
}

/** A refusal below 500 says that the request is wrong, and these are not. */
function refuseClientError(answer: Answer | undefined, what: string): void {
  if (answer && answer.status >= 400 && answer.status < 500 && answer.status !== 404)
    throw new Error(`${what} was answered with ${answer.status}: ${answer.text().slice(0, 500)}`);
}
