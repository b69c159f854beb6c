import type { Thread } from '../../src/daemon/thread.ts';
import { StoreError } from '../../src/errors.ts';
import type { Redundancy } from '../../src/metadata/index.ts';
import { disorder, recount, scrubText } from '../checks/order.ts';
import type { Coverage } from '../coverage.ts';
import type { Place } from '../place.ts';
import type { Fault, Settings } from '../scenario.ts';
import type { Door } from '../session.ts';
import type { Dice } from './dice.ts';
import type { DiskFault } from './disk.ts';
import { Machine } from './machine.ts';
import type { Node } from './node.ts';
import type { Scheduler } from './scheduler.ts';

/** A store of one machine. */
export class OneMachine implements Place {
  readonly #machine: Machine;
  readonly #scheduler: Scheduler;
  readonly #coverage: Coverage;
  readonly #dice: Dice;
  #changes: Promise<void> = Promise.resolve();

  constructor(scheduler: Scheduler, dice: Dice, settings: Settings, coverage: Coverage) {
    this.#scheduler = scheduler;
    this.#coverage = coverage;
    this.#dice = dice.fork('door');
    this.#machine = new Machine('n1', scheduler, dice.fork('n1'), settings, coverage);
  }

  keepRunning(): void {
    this.#machine.keepRunning();
  }

  door(): Door | undefined {
    const { node } = this.#machine;
    if (!node) return undefined;
    return {
      objects: this.#dice.pick(node.threads).objects,
      proposer: node.metadata,
      life: node.life,
      serve: () => node.serve(),
      freshness: { position: () => node.metadata.reader.position() },
      seen: () => [node.metadata.reader.position()],
      shardsOf: () => 1,
    };
  }

  strike(fault: Fault): void {
    const machine = this.#machine;
    const coverage = this.#coverage;
    switch (fault.kind) {
      case 'power':
        coverage.hit('the power was lost');
        return machine.loosePower();
      case 'kill':
        coverage.hit('a process was killed');
        return machine.kill();
      case 'stop':
        if (machine.node) coverage.hit('a node was closed in order and started again');
        machine.stop().catch((error) => {
          this.#scheduler.note(`the end was not in order: ${error}`);
          machine.kill();
        });
        return;
      case 'pause':
        coverage.hit('a process was paused');
        return machine.pause(fault.ms);
      case 'clock':
        coverage.hit(fault.ms < 0 ? 'the wall clock went back' : 'the wall clock went ahead');
        return machine.jumpClock(fault.ms);
      case 'index':
        coverage.hit('an index was lost');
        return machine.loseIndex(fault.disk);
      case 'redundancy':
        this.#changes = this.#changes.then(() => this.#change(fault.bucket, fault.to));
        this.#changes.catch((cause) => this.#scheduler.fail(cause));
        return;
      case 'disk':
        return machine.sicken(fault.disk, fault.fault, fault.ms, fault.share);
      default:
        throw new Error(`one machine has no ${fault.kind}`);
    }
  }

  /** Whoever runs the store asks until it is done. */
  async #change(bucket: string, redundancy: Redundancy): Promise<void> {
    for (;;) {
      const node = this.#machine.node;
      const objects = node?.threads[0]?.objects;
      if (node && objects) {
        const made = objects.updateBucket(bucket, { redundancy }).then(
          () => true,
          (cause: unknown) => {
            if (!(cause instanceof StoreError)) throw cause;
            this.#scheduler.note(`operator: redundancy of ${bucket}: ${cause.message}`);
            return false;
          },
        );
        if (await Promise.race([made, node.life.ended.then(() => false)])) break;
      }
      await this.#scheduler.sleep(500, 'operator');
    }
    this.#coverage.hit('a redundancy was changed while clients worked');
  }

  heal(): void {
    this.#machine.heal();
    if (this.#dice.chance(0.5)) this.#machine.loosePower();
  }

  *diskFaults(): Iterable<DiskFault> {
    for (const disk of this.#machine.disks.values()) yield* disk.hit.keys();
  }

  startFailure(): unknown {
    return this.#machine.startFailure;
  }

  async ready(): Promise<void> {
    await this.#changes;
    await this.#node();
  }

  lives(): string {
    return this.#machine.node?.life.name ?? '';
  }

  async #node(): Promise<Node> {
    for (;;) {
      const { node } = this.#machine;
      if (node && node.failure() === undefined) return node;
      await this.#scheduler.sleep(50, 'final');
    }
  }

  threads(): readonly Thread[] {
    return this.#machine.node?.threads ?? [];
  }

  async tidy(): Promise<string> {
    const node = await this.#node();
    if (node.recoded() > 0) this.#coverage.hit('stripes were kept in another way');
    const scrubbed = scrubText(await node.scrub.run());
    await node.mender.run();
    const collected = await node.collector.run();
    if (collected.fragments > 0) this.#coverage.hit('the collector removed fragments');
    if (collected.waiting) this.#coverage.hit('the collector waited for an open read');
    if (node.mender.totals().mended > 0) this.#coverage.hit('a missing copy was written by the mender');
    return scrubbed || disorder(node.metadata.reader, node.stores, node.life.host, node.threads.length);
  }

  /** One machine stands in one zone. */
  async loseZone(): Promise<undefined> {}

  findZone(): void {}

  crowded(): undefined {}

  /** The log holds the digest of the state, and a replica that replays compares. */
  async replay(): Promise<void> {
    const node = await this.#node();
    await recount(node.metadata.snapshot(), node.life.host);
    await node.metadata.propose({ type: 'digest' });
    const { position } = node.metadata.statistics();
    this.#machine.kill();
    const again = await this.#node();
    const reached = again.metadata.statistics().position;
    if (reached < position) throw new Error(`the log ended at ${position}, and at ${reached} after a start`);
    await recount(again.metadata.snapshot(), again.life.host);
  }

  async restart(): Promise<void> {
    const before = this.#machine.life;
    await this.#machine.stop();
    const node = await this.#node();
    if (node.life === before) throw new Error('the server did not end in order');
    await recount(node.metadata.snapshot(), node.life.host);
  }
}
