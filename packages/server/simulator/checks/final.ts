import { StoreError } from '../../src/errors.ts';
import type { Client } from '../client.ts';
import type { History } from '../history.ts';
import type { Place } from '../place.ts';
import type { Operation, OperationKind, Settings } from '../scenario.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { notAsAsked } from './kept.ts';

/** What the checks at the end look at. */
export interface FinalParts {
  readonly scheduler: Scheduler;
  readonly place: Place;
  readonly history: History;
  /** Reads and writes like any other, and writes down what it saw. */
  readonly client: Client;
  readonly settings: Settings;
  /** Makes the error of a check that does not hold. */
  readonly check: (check: string, message: string) => Error;
}

/** Writes that the last client makes have numbers from here on. */
const firstWrite = 1_000_000;
const rounds = 15;
/** Between two rounds: reads that were looked up and never begun hold garbage back for so long. */
const roundMs = 10_500;

/** Everything is well again: brings the store to order, and looks whether it is. */
export async function checkFinal(parts: FinalParts): Promise<void> {
  await new Final(parts).run();
}

class Final {
  readonly #parts: FinalParts;
  #write = firstWrite;

  constructor(parts: FinalParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { settings, history, place } = this.#parts;
    await place.ready();
    const names = [...history.keys.keys()].sort();
    // Where space is short, room is made first: deletes must go on.
    const short = settings.deviceBytes < 2 ** 30;
    if (short) for (const name of names) if (name.startsWith('plain/')) await this.#until('delete', name);
    await this.#inOrder();
    for (const bucket of ['plain', 'kept']) {
      await this.#until('put', `${bucket}/last`, { size: '9000', mode: 'stream' });
      await this.#until('append', `${bucket}/last`, { size: '500', mode: 'whole' });
      await this.#until('get', `${bucket}/last`);
      await this.#until('delete', `${bucket}/last`);
    }
    await this.#readAll(names);
    await this.#inOrder();
    await place.replay();
    await this.#readAll(names);
    await place.restart();
    await this.#readAll(names);
  }

  #operation(kind: OperationKind, name: string, given: Readonly<Record<string, string>>): Operation {
    const [bucket, key] = name.split('/') as [string, string];
    return { client: 'last', wait: 0, kind, write: this.#write++, bucket, key, with: given };
  }

  async #until(kind: OperationKind, name: string, given: Readonly<Record<string, string>> = {}): Promise<void> {
    while (!(await this.#parts.client.do(this.#operation(kind, name, given)))) {
      await this.#parts.scheduler.sleep(200, 'final');
    }
  }

  /** Reads every key and every version that was acknowledged; what was seen is checked with all the rest. */
  async #readAll(names: readonly string[]): Promise<void> {
    const { client, history, check, place } = this.#parts;
    await place.ready();
    const lives = place.lives();
    for (const name of names) await client.do(this.#operation('get', name, {}));
    for (const bucket of ['plain', 'kept']) await client.do(this.#operation('list', `${bucket}/`, { limit: '2' }));
    for (const [name, versions] of history.versions) {
      const [bucket, key] = name.split('/') as [string, string];
      for (const version of versions) {
        if (version.condemned) continue;
        const wrong = await client.verify(bucket, key, version).then(
          () => undefined,
          (error: unknown) => String(error),
        );
        if (wrong !== undefined) throw check('lost', `version ${version.id} (${version.value}) of ${name}: ${wrong}`);
      }
    }
    if (lives !== place.lives()) throw check('liveness', 'a server stopped itself though all is well');
  }

  /** Repairs, collects and verifies until nothing is left to do. */
  async #inOrder(): Promise<void> {
    const { scheduler, check, place } = this.#parts;
    let wrong = '';
    for (let round = 0; round < rounds; round++) {
      await scheduler.sleep(roundMs, 'final');
      await place.ready();
      // What is out of reach for a moment is so in the next round no more.
      wrong = await place.tidy().catch((error: unknown) => {
        if (error instanceof StoreError) return error.message;
        throw error;
      });
      const [thread] = place.threads();
      wrong ||= thread ? notAsAsked(thread) : 'no server runs';
      if (wrong === '') return;
      scheduler.note(`not in order: ${wrong}`);
    }
    throw check('order of the store', wrong);
  }
}
