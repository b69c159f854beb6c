import type { Wire, WireEvents } from '../../src/transport/wire.ts';
import type { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';

/** What a connection needs of the network between its two ends. */
export interface Way {
  readonly scheduler: Scheduler;
  /** How long the next packet is on its way, ms. */
  delay(): number;
  /** When something that leaves now would pass, simulated ms; now, unless the way is cut in that direction. */
  passesAt(from: string, to: string): number;
}

/** Bytes on their way, and the end of them: `end` behind what was written, `reset` when the process or the connection is gone. */
type Packet =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly flushed: () => void }
  | { readonly kind: 'end' | 'reset' };

/** Bytes that the system takes of a sender before it makes it wait. */
const systemBytes = 64 * 1024;

/**
 * One end of a connection, as TCP has it: bytes arrive once, in order and unchanged, or not at all. They are late; while the way is cut they
 * wait and come afterwards, unless an end has given up. A process that is gone leaves a connection that is reset, which the other end
 * hears of when the way lets it.
 */
export class SimulatedWire implements Wire {
  readonly #way: Way;
  readonly #life: Life;
  /** Names of the nodes. */
  readonly #here: string;
  readonly #there: string;
  #other!: SimulatedWire;
  #events: WireEvents | undefined;
  #paused = false;
  #over = false;
  #cause: Error | undefined;
  /** Sent by this end, not there yet. */
  readonly #sent: Packet[] = [];
  #sentBytes = 0;
  #nextAt = 0;
  #running = false;
  /** Arrived, and not read yet. */
  readonly #arrived: Packet[] = [];

  private constructor(way: Way, life: Life, here: string, there: string) {
    this.#way = way;
    this.#life = life;
    this.#here = here;
    this.#there = there;
    void life.ended.then(() => this.#reset());
  }

  /** @param from who connects */
  static pair(way: Way, from: Life, to: Life): readonly [SimulatedWire, SimulatedWire] {
    const [a, b] = [nodeOf(from), nodeOf(to)];
    const ends = [new SimulatedWire(way, from, a, b), new SimulatedWire(way, to, b, a)] as const;
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return ends;
  }

  attach(events: WireEvents): void {
    this.#events = events;
    this.#soon(() => this.#read());
  }

  write(pieces: readonly Uint8Array[], flushed: () => void): void {
    if (this.#over) return;
    // What crosses is a copy: nobody changes it any more.
    const bytes = Buffer.concat(pieces);
    const waits = this.#sentBytes > systemBytes;
    this.#sentBytes += bytes.length;
    if (!waits) this.#soon(flushed);
    this.#send({ kind: 'bytes', bytes, flushed: waits ? () => this.#soon(flushed) : () => {} });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#soon(() => this.#read());
  }

  end(): void {
    if (!this.#over) this.#send({ kind: 'end' });
  }

  destroy(): void {
    this.#reset();
  }

  /** This end is gone: what it wrote and is not there yet may be lost. */
  #reset(): void {
    if (this.#over) return;
    this.#send({ kind: 'reset' });
    this.#close(undefined);
  }

  #close(cause: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#cause = cause;
    this.#arrived.length = 0;
    this.#soon(() => this.#read());
  }

  #soon(run: () => void): void {
    this.#life.after(0, 'wire', run);
  }

  #send(packet: Packet): void {
    this.#sent.push(packet);
    if (!this.#running) this.#forward();
  }

  /** One packet after the other: none overtakes another of its connection. */
  #forward(): void {
    const { scheduler } = this.#way;
    this.#running = true;
    this.#nextAt = Math.max(this.#nextAt, scheduler.now + this.#way.delay());
    scheduler.after(this.#nextAt - scheduler.now, 'packet', () => {
      const passesAt = this.#way.passesAt(this.#here, this.#there);
      if (passesAt > scheduler.now) {
        this.#nextAt = passesAt;
        return this.#forward();
      }
      // What was sent meanwhile arrives with it.
      const other = this.#other;
      for (const packet of this.#sent.splice(0)) {
        if (packet.kind === 'bytes') {
          this.#sentBytes -= packet.bytes.length;
          packet.flushed();
        }
        other.#arrive(packet);
      }
      this.#running = false;
    });
  }

  #arrive(packet: Packet): void {
    if (this.#over) {
      // Nobody is there any more: the sender is told.
      if (packet.kind === 'bytes') this.#send({ kind: 'reset' });
      return;
    }
    if (packet.kind === 'reset') return this.#close(new Error('the connection was reset'));
    this.#arrived.push(packet);
    this.#soon(() => this.#read());
  }

  #read(): void {
    while (this.#events && !this.#paused && !this.#over) {
      const packet = this.#arrived.shift();
      if (!packet) return;
      if (packet.kind === 'bytes') this.#events.data(packet.bytes);
      else this.#closeInOrder();
    }
    if (!this.#over || !this.#events) return;
    const { closed } = this.#events;
    this.#events = undefined;
    closed(this.#cause);
  }

  /** The other end has written its last: this one does not go on alone. */
  #closeInOrder(): void {
    this.#send({ kind: 'reset' });
    this.#close(undefined);
  }
}

const nodeOf = (life: Life): string => life.name.split('.')[0] as string;
