import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { patienceMs } from '../src/server.ts';
import { until } from './cluster.support.ts';

const KiB = 1024;
const sizes = [100, 3000, 20 * KiB, 300 * KiB];

/** Writes and reads at every node that serves until it is stopped; a node that goes away is passed over, as any client does. */
export class Load {
  readonly kept = new Map<string, Buffer>();
  readonly failures: string[] = [];
  /** Answers that were neither success nor "try again". */
  readonly odd: string[] = [];
  requests = 0;
  /** Requests that were told to try again, or met a node that was stopping. */
  again = 0;
  readonly #bucket: string;
  readonly #endpoints: readonly string[];
  readonly #running: Promise<unknown>;
  #stopped = false;

  constructor(bucket: string, endpoints: readonly string[], writers: number) {
    this.#bucket = bucket;
    this.#endpoints = endpoints;
    this.#running = Promise.all(Array.from({ length: writers }, (_, writer) => this.#run(writer)));
  }

  async #ask(turn: number, method: string, key: string, body?: Buffer) {
    const began = performance.now();
    for (let i = turn; performance.now() - began < patienceMs; i++) {
      const endpoint = this.#endpoints[i % this.#endpoints.length] as string;
      const answer = await send(endpoint, method, pathOf(this.#bucket, key), body ? { body } : {}).catch(
        () => undefined,
      );
      this.requests++;
      if (answer?.status === 200 && answer.complete) return answer;
      this.again++;
      if (answer && answer.status !== 503)
        this.odd.push(`${method} ${key}: ${answer.status} ${answer.text().slice(0, 300)}`);
      await sleep(50);
    }
    this.failures.push(`${method} ${key}: not within ${patienceMs / 1000} s`);
    return undefined;
  }

  async #run(writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const key = `w${writer}-${i}`;
      const body = randomBytes(sizes[i % sizes.length] as number);
      if (await this.#ask(i + writer, 'PUT', key, body)) this.kept.set(key, body);
      const got = await this.#ask(i + writer + 1, 'GET', key);
      if (got && !got.body.equals(body)) this.failures.push(`GET ${key}: other bytes`);
    }
  }

  summary(): string {
    return `${this.requests} requests, of which ${this.again} were to be tried again; ${this.kept.size} objects`;
  }

  /** Waits until so many objects were written, however slow the machine is. */
  async until(objects: number): Promise<void> {
    await until(`${objects} objects are written`, 60_000, async () => this.kept.size > objects);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}
