import type { CheckReport, crossCheck } from '../../src/durability/index.ts';
import { type MemoryKv, memoryKv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import { restoreSnapshot } from '../../src/metadata/index.ts';
import type { Client } from '../client.ts';
import type { Coverage } from '../coverage.ts';
import type { History } from '../history.ts';
import type { Operation, OperationKind, Settings } from '../scenario.ts';
import type { Machine } from '../world/machine.ts';
import type { Node } from '../world/node.ts';
import type { Scheduler } from '../world/scheduler.ts';

/** What the checks at the end look at. */
export interface FinalParts {
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  readonly history: History;
  readonly coverage: Coverage;
  /** Reads and writes like any other, and writes down what it saw. */
  readonly client: Client;
  readonly settings: Settings;
  /** Makes the error of a check that does not hold. */
  readonly check: (check: string, message: string) => Error;
  readonly crossCheck: typeof crossCheck;
}

/** Writes that the last client makes have numbers from here on. */
const firstWrite = 1_000_000;
const rounds = 15;

/** Everything is well again: brings the store to order, and looks whether it is. Writes go on to be refused only where space is short. */
export async function checkFinal(parts: FinalParts): Promise<void> {
  const final = new Final(parts);
  await final.run();
}

class Final {
  readonly #parts: FinalParts;
  #write = firstWrite;

  constructor(parts: FinalParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { settings, history } = this.#parts;
    await this.#node();
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
    await this.#replay();
    await this.#readAll(names);
    const before = this.#parts.machine.life;
    await this.#parts.machine.stop();
    const node = await this.#node();
    if (node.life === before) throw this.#parts.check('liveness', 'the server did not end in order');
    await this.#recount(node);
    await this.#readAll(names);
  }

  /** The server, once it runs. */
  async #node(): Promise<Node> {
    for (;;) {
      const { node } = this.#parts.machine;
      if (node && node.failure() === undefined) return node;
      await this.#parts.scheduler.sleep(50, 'final');
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

  /** Reads every key and every version that was acknowledged; what was seen is checked with all the rest. */
  async #readAll(names: readonly string[]): Promise<void> {
    const { client, history, check } = this.#parts;
    const node = await this.#node();
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
    if (node !== this.#parts.machine.node) throw check('liveness', 'the server stopped itself though all is well');
  }

  /** Repairs, collects and verifies until nothing is left to do. */
  async #inOrder(): Promise<void> {
    const { scheduler, check, coverage } = this.#parts;
    let wrong = '';
    for (let round = 0; round < rounds; round++) {
      // Reads that were looked up and never begun hold garbage back for a while.
      await scheduler.sleep(2.1 * limits.unopenedReadMs, 'final');
      const node = await this.#node();
      const scrub = await node.scrub.run();
      await node.mender.run();
      const collected = await node.collector.run();
      if (collected.fragments > 0) coverage.hit('the collector removed fragments');
      if (collected.waiting) coverage.hit('the collector waited for an open read');
      if (node.mender.totals().mended > 0) coverage.hit('a missing copy was written by the mender');
      wrong = await this.#wrong(node, scrub);
      if (wrong === '') return;
      scheduler.note(`not in order: ${wrong}`);
    }
    throw check('order of the store', wrong);
  }

  /** What keeps the store from being in order, as a sentence; empty when nothing does. */
  async #wrong(node: Node, scrub: Awaited<ReturnType<Node['scrub']['run']>>): Promise<string> {
    const { missing, damaged, unreadable, skipped } = scrub;
    if (missing + damaged + unreadable + skipped.length > 0) {
      return `a scrub found ${missing} copies missing, ${damaged} damaged, ${unreadable} unreadable, and left out ${skipped.length} devices`;
    }
    const garbage = node.metadata.reader.garbage(10);
    if (garbage.length > 0) return `garbage of position ${garbage[0]?.position} is still listed`;
    const closed = node.metadata.reader.intents().filter(({ state }) => state === 'closed');
    if (closed.length > 0) return `${closed.length} closed intents are still listed`;
    const { reader } = node.metadata;
    const { host } = node.life;
    const report = await this.#parts.crossCheck({ reader, groups: () => reader.groups(), stores: node.stores, host })
      .report;
    return findingsText(report);
  }

  /** The state after replaying the log is the one that was there before: the log holds its digest, and a replica compares. */
  async #replay(): Promise<void> {
    const { machine, check } = this.#parts;
    const node = await this.#node();
    await this.#recount(node);
    await node.metadata.propose({ type: 'digest' });
    const { position } = node.metadata.statistics();
    machine.kill();
    const again = await this.#node();
    if (again.metadata.statistics().position < position) {
      throw check(
        'replay',
        `the log ended at ${position}, and at ${again.metadata.statistics().position} after a start`,
      );
    }
    await this.#recount(again);
  }

  /** The running digest is that of all rows, counted anew. */
  async #recount(node: Node): Promise<void> {
    const copy: MemoryKv = memoryKv(node.life.host);
    await restoreSnapshot(copy, [...node.metadata.snapshot()]).catch((error: unknown) => {
      throw this.#parts.check('digest', String(error));
    });
  }
}

function findingsText({ findings }: CheckReport): string {
  return findings
    .slice(0, 5)
    .map(({ kind, where, what }) => `${kind}: ${where}: ${what}`)
    .join(' ');
}
