import { StoreError } from '../../src/errors.ts';
import type { Client } from '../client.ts';
import type { History } from '../history.ts';
import type { LockedVersion, LockMode } from '../locks.ts';
import type { Place } from '../place.ts';
import { renamedBucket } from '../renames.ts';
import type { Operation, OperationKind, Settings } from '../scenario.ts';
import { never } from '../seen.ts';
import { lifecycleDayMs } from '../world/lifecycle.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { fadingLeft } from './faded.ts';
import { notAsAsked } from './kept.ts';
import { miscounted } from './quotas.ts';

/** What the checks at the end look at. */
export interface FinalParts {
  readonly scheduler: Scheduler;
  readonly place: Place;
  readonly history: History;
  /** Reads and writes like any other, and writes down what it saw. */
  readonly client: Client;
  readonly settings: Settings;
  /** No wall clock was set. */
  readonly clocksAgree: boolean;
  /** Makes the error of a check that does not hold. */
  readonly check: (check: string, message: string) => Error;
}

/** Writes that the last client makes have numbers from here on. */
const firstWrite = 1_000_000;
/** Until a lifecycle has taken away what it should: a midnight, and a look of whoever leads then. */
const fadeMs = 10 * lifecycleDayMs;
/** Until a read is answered while a zone is lost, ms. */
const answerMs = 60_000;
/** Written to see where they lie. */
const newStripes = 6;
const rounds = 15;
/** Between two rounds: reads that were looked up and never begun hold garbage back for so long. */
const roundMs = 10_500;

/** Everything is well again: brings the store to order, and looks whether it is. */
export async function checkFinal(parts: FinalParts): Promise<void> {
  await new Final(parts).run();
}

/** Who asked for compliance in place of governance, and never had an answer, may have got it. */
const isLess = (found: LockMode | undefined, known: LockMode | undefined): boolean =>
  known !== undefined && found !== known && found !== 'COMPLIANCE';

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
    if (settings.zones > 0 && !short) await this.#spread();
    if (!(await this.#readWithout(names))) await this.#readAll(names);
    if (settings.ruled > 0) await this.#faded();
    await this.#inOrder();
    await place.replay();
    await this.#readAll(names);
    await place.restart();
    await this.#readAll(names);
  }

  /** Groups are planned, all devices are there, and there is room: nothing keeps new stripes from lying evenly over zones. */
  async #spread(): Promise<void> {
    const { place, check } = this.#parts;
    for (let n = 1; n <= newStripes; n++) {
      const key = `even${n}`;
      await this.#until('put', `plain/${key}`, { size: '9000', mode: 'whole' });
      const crowded = place.crowded('plain', key);
      if (crowded !== undefined) throw check('spread', crowded);
    }
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

  /** Reads the same while a zone is lost, where what it held is elsewhere too. @returns false: there is no such zone */
  async #readWithout(names: readonly string[]): Promise<boolean> {
    const { scheduler, client, place, settings } = this.#parts;
    const zone = settings.zones > 0 ? await place.loseZone() : undefined;
    if (zone === undefined) return false;
    scheduler.note(`zone ${zone} is lost`);
    // Written with copies missing, or refused.
    for (const bucket of ['plain', 'kept'])
      await client.do(this.#operation('put', `${bucket}/without`, { size: '9000', mode: 'stream' }));
    for (const name of names) await this.#answered(name, zone);
    await this.#lookAtAll();
    place.findZone();
    await place.ready();
    return true;
  }

  /** A key is read, or is not there. */
  async #answered(name: string, zone: string): Promise<void> {
    const { scheduler, client, check } = this.#parts;
    const end = scheduler.now + answerMs;
    for (;;) {
      const outcome = await client.ask(this.#operation('get', name, {}));
      if (outcome.kind === 'done' || (outcome.kind === 'refused' && outcome.error.code === 'NoSuchKey')) return;
      const why = outcome.kind === 'refused' ? outcome.error.message : 'nobody answers';
      if (scheduler.now > end) throw check('zone', `${name} cannot be read without the zone ${zone}: ${why}`);
      await scheduler.sleep(200, 'final');
    }
  }

  /** Reads every key and every version that was acknowledged; what was seen is checked with all the rest. */
  async #readAll(names: readonly string[]): Promise<void> {
    const { client, check, place } = this.#parts;
    await place.ready();
    const lives = place.lives();
    for (const name of names) await client.do(this.#operation('get', name, {}));
    await this.#lookAtAll();
    if (lives !== place.lives()) throw check('liveness', 'a server stopped itself though all is well');
  }

  async #lookAtAll(): Promise<void> {
    const { client, history, check } = this.#parts;
    for (const bucket of ['plain', 'kept']) await client.do(this.#operation('list', `${bucket}/`, { limit: '2' }));
    for (const object of history.renamed.objects.keys()) await this.#checkNames(object);
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
    for (const [name, versions] of history.locked)
      for (const version of versions) await this.#checkLocked(name, version);
  }

  /** What was put, and is given other names by nobody any more, has one. */
  async #checkNames(object: string): Promise<void> {
    const { client, check, history } = this.#parts;
    const [put] = history.renamed.of(object).writes;
    if (!put || put.refused) return;
    const names = await client.names(object, this.#operation('rename', `${renamedBucket}/${object}`, { do: 'look' }));
    if (names.length > 1 || (names.length === 0 && put.end !== never))
      throw check('renamed', `${object} has the names ${names.join() || 'none'} in the end`);
  }

  /** What is locked for certain is there, and says so. */
  async #checkLocked(name: string, version: LockedVersion): Promise<void> {
    const { client, check } = this.#parts;
    if (!version.stays(false)) return;
    const [bucket, key] = name.split('/') as [string, string];
    const found = await client.verify(bucket, key, version).catch((error: unknown) => String(error));
    const says = typeof found === 'string' ? found : `${found.retention?.mode} ${found.legalHold === true}`;
    const { id, value, mode, held } = version;
    if (typeof found === 'string' || isLess(found.retention?.mode, mode) || (held && !found.legalHold))
      throw check('locked', `version ${id} (${value}) of ${name} is locked by ${mode} ${held}: ${says}`);
  }

  /** What a lifecycle takes away is gone in the end. What clocks that were set said of ages holds for longer than a run. */
  async #faded(): Promise<void> {
    const { scheduler, check, place, clocksAgree } = this.#parts;
    const end = scheduler.now + fadeMs;
    for (let left: string[] = []; clocksAgree; await scheduler.sleep(lifecycleDayMs, 'final')) {
      await place.ready();
      left = place.threads().flatMap(({ reader }) => fadingLeft(reader));
      if (left.length === 0) return;
      if (scheduler.now > end) throw check('lifecycle', `${left.join()} should have been taken away by a lifecycle`);
    }
  }

  /** Repairs, collects and verifies until nothing is left to do. */
  async #inOrder(): Promise<void> {
    const { scheduler, check, place, settings } = this.#parts;
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
      for (const { reader } of settings.ruled > 0 ? place.threads() : []) wrong ||= miscounted(reader) ?? '';
      if (wrong === '') return;
      scheduler.note(`not in order: ${wrong}`);
    }
    throw check('order of the store', wrong);
  }
}
