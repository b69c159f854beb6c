import type { ObjectVersion } from '../src/metadata/index.ts';
import type { KeptVersion } from './history.ts';
import { steps } from './operations.ts';
import { lookFor } from './renames.ts';
import { type Operation, operationText } from './scenario.ts';
import { type ClientParts, heldBy, type Outcome, Session, scopeOf } from './session.ts';
import { writesIn } from './world/content.ts';

/** Pause of a client that finds no server. */
const retryMs = 40;

/** One client: does one thing after another. */
export class Client {
  readonly #session: Session;

  constructor(name: string, parts: ClientParts) {
    this.#session = new Session(name, parts);
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      await this.#session.parts.scheduler.sleep(operation.wait, this.#session.name);
      await this.do(operation);
    }
  }

  /** @returns false when it was refused or its outcome is not known */
  async do(operation: Operation): Promise<boolean> {
    return (await this.ask(operation)).kind === 'done';
  }

  async ask(operation: Operation): Promise<Outcome<unknown>> {
    const { scheduler, door } = this.#session.parts;
    while (!door()) await scheduler.sleep(retryMs, this.#session.name);
    scheduler.note(`begin ${operationText(operation)}`);
    const outcome = await steps[operation.kind](this.#session, operation);
    const how = outcome.kind === 'refused' ? outcome.error.code : outcome.kind;
    scheduler.note(`end ${operation.client} ${operation.kind} ${operation.write}: ${how}`);
    return outcome;
  }

  /** Names under which an object of the bucket of renames is, of all that it ever had; a name of which nobody can tell throws. */
  async names(object: string, operation: Operation): Promise<string[]> {
    const found: string[] = [];
    for (const name of this.#session.parts.history.renamed.of(object).names) {
      const there = await lookFor(this.#session, operation, name);
      if (there === undefined) throw new Error(`nobody can tell whether ${name} is there`);
      if (there) found.push(name);
    }
    return found;
  }

  /** Reads a version by its id and compares it with what was acknowledged. @throws Error saying what differs */
  async verify(bucket: string, key: string, expected: Pick<KeptVersion, 'id' | 'value'>): Promise<ObjectVersion> {
    const { history } = this.#session.parts;
    const outcome = await this.#session.ask(async (objects) => {
      const reading = await objects.read({ bucket, key: Buffer.from(key), versionId: expected.id, guard: undefined });
      const chunks: Buffer[] = [];
      for await (const chunk of reading.open({ start: 0, end: reading.version.size })) chunks.push(Buffer.from(chunk));
      return { version: reading.version, bytes: Buffer.concat(chunks) };
    }, scopeOf({ bucket, key }));
    if (outcome.kind === 'unknown') throw new Error('nobody answered');
    if (outcome.kind === 'refused') throw outcome.error;
    const { version, bytes } = outcome.result;
    if (heldBy(version) !== expected.value) throw new Error(`it is ${heldBy(version)}`);
    history.learnBytes(`${bucket}/${key}`, expected.value, writesIn(bytes), `the last look at version ${expected.id}`);
    return version;
  }
}
