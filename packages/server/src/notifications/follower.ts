import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Change, Command, Feed, Notice } from '../metadata/index.ts';
import { failedName, failedRecord, RefusalError } from './failed.ts';
import { lostMessage, type Message, messageOf, type NoticePlace } from './record.ts';
import type { Sender } from './targets.ts';

/*
 * Follows the log of one shard for one target.
 *
 * Invariants: the position that is written covers no event that the target has not taken, or that is not on the list of those that it has refused for good; of the events of one key one is under way at a time, in the order of the log; at most
 * `limits.noticesAhead` events are read ahead, and what is not read lies in the log. Events that the log could not keep are never passed over in silence: the target is told
 * which, before it gets any other.
 *
 * Rejected: a queue of its own for each target, in rows. The log has the events already, and keeps them for its followers.
 */

/** A shard as a follower of its log sees it. */
export interface FollowedShard {
  readonly number: number;
  /** Position of the oldest entry that is still there. */
  tail(): number;
  /** Where the shard is. */
  head(): number;
  /** The written positions of followers, by name. */
  followers(): ReadonlyMap<string, number>;
  feed(name: string, from: number): Feed;
  propose(command: Command): Promise<unknown>;
  /** Events that a target has refused for good, by name. */
  failed(target: string): ReadonlyMap<string, Buffer>;
  /** Whether this server owns it: whoever does delivers. */
  leads(): boolean;
}

/** What happened since the start; `waiting` and `behind` are of now. */
export interface FollowerStatus {
  readonly target: string;
  readonly shard: number;
  readonly delivered: number;
  readonly failures: number;
  /** Times that the log was cut before what it had was delivered. */
  readonly lost: number;
  /** Events that it has refused for good. */
  readonly refused: number;
  /** Those of them that are kept. */
  readonly failed: number;
  /** Events read and not taken yet. */
  readonly waiting: number;
  /** Entries of the log that the written position does not cover. */
  readonly behind: number;
  readonly lastFailure: string | undefined;
}

export interface FollowerOptions {
  readonly target: string;
  readonly shard: FollowedShard;
  readonly sender: Sender;
  /** When the target was defined, ms since 1970. */
  readonly createdMs: number;
  readonly host: Host;
  /** Something that an operator may want to know. */
  readonly onEvent: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

const prefix = 'notifications/';
/** What a follower of this kind is called among the followers of a log. */
const followerName = (target: string): string => prefix + target;
/** The target that a follower is for; undefined: it is a follower of another kind. */
export const followedTarget = (name: string): string | undefined =>
  name.startsWith(prefix) ? name.slice(prefix.length) : undefined;

/** An event on its way. */
interface Followed {
  readonly notice: Notice;
  readonly message: Message;
  /** Under which it is kept if the target refuses it. */
  readonly name: string;
}

/** An entry of which not all is delivered yet. */
interface Unfinished {
  readonly position: number;
  left: number;
}

export class TargetFollower {
  readonly #options: FollowerOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #lanes = new Map<string, Promise<void>>();
  #unfinished: Unfinished[] = [];
  /** All below it was read. */
  #read = 0;
  #written = 0;
  #bytes = 0;
  #waiting = 0;
  #flying = 0;
  #moved: (() => void)[] = [];
  #deliveredSince = false;
  #writing: Promise<void> | undefined;
  #delivered = 0;
  #failures = 0;
  #lost = 0;
  #refused = 0;
  #lastFailure: string | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  status(): FollowerStatus {
    const { target, shard } = this.#options;
    return {
      target,
      shard: shard.number,
      delivered: this.#delivered,
      failures: this.#failures,
      lost: this.#lost,
      refused: this.#refused,
      failed: shard.failed(target).size,
      waiting: this.#waiting,
      behind: Math.max(0, shard.head() + 1 - Math.max(this.#written, shard.tail())),
      lastFailure: this.#lastFailure,
    };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    const { sender } = this.#options;
    // What may take hours is not waited for: it comes again.
    if (sender.patient) await sender.close();
    await this.#running;
    await sender.close();
  }

  async #run(): Promise<void> {
    const { host, onEvent, target, shard } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#follow();
      } catch (cause) {
        // The beginning may have been cut off meanwhile: the next try finds out, and says so.
        if (!signal.aborted && shard.leads())
          onEvent('the log could not be followed for a target of notifications; it is tried again', {
            target,
            shard: shard.number,
            cause,
          });
      }
      await host.timers.sleep(limits.noticeRetryMs, signal);
    }
  }

  async #follow(): Promise<void> {
    const { shard, target, host } = this.#options;
    const name = followerName(target);
    const known = shard.followers().get(name) ?? (await this.#beginning());
    if (known === undefined) return;
    const tail = shard.tail();
    // What is kept for it begins here, before anything else can be cut off.
    const from = Math.max(known, tail);
    const feed = shard.feed(name, from);
    try {
      if (known < tail) await this.#tellLost(known, tail);
      if (known !== from) await shard.propose({ type: 'follower.advance', name, position: from });
      this.#begin(from);
      const cancel = host.timers.every(limits.followerWriteMs, () => void this.#write(feed));
      try {
        for await (const change of feed.changes(this.#stop.signal)) {
          if (feed.lost) break;
          await this.#take(change);
          if (this.#bytes >= limits.followerWriteBytes) await this.#write(feed);
          if (this.#stop.signal.aborted) break;
        }
      } finally {
        cancel();
        await Promise.all(this.#lanes.values());
        await this.#write(feed);
      }
    } finally {
      feed.close();
    }
  }

  /**
   * Where a new target begins: at the first event that can be for it, and not for one of the same name that was taken away. Written at once, so that nothing behind it can be cut off
   * unnoticed. undefined: the follower ends.
   */
  async #beginning(): Promise<number | undefined> {
    const { shard, target, createdMs } = this.#options;
    const name = followerName(target);
    const end = shard.head();
    let position = shard.tail();
    const feed = shard.feed(name, position);
    try {
      if (position <= end)
        for await (const change of feed.changes(this.#stop.signal)) {
          const mine = change.events.some(
            (event) =>
              event.type === 'noticed' &&
              event.notice.timeMs >= createdMs - limits.noticeSkewMs &&
              event.notice.destinations.some((destination) => destination.target === target),
          );
          if (!mine) position = change.position + 1;
          if (mine || change.position >= end) break;
        }
      if (this.#stop.signal.aborted) return undefined;
      await shard.propose({ type: 'follower.advance', name, position });
      return position;
    } finally {
      feed.close();
    }
  }

  #begin(from: number): void {
    this.#unfinished = [];
    this.#read = from;
    this.#written = from;
    this.#bytes = 0;
    this.#deliveredSince = false;
  }

  async #tellLost(from: number, to: number): Promise<void> {
    const { target, shard, onEvent, host } = this.#options;
    this.#lost++;
    onEvent('the log had to be cut before all events were delivered: the target is told', {
      target,
      shard: shard.number,
      from,
      to,
    });
    const told = await this.#deliver(lostMessage({ target, shard: shard.number, from, to, nowMs: host.clock.now() }));
    // Whoever follows next finds the same.
    if (!told) throw new Error('this server owns the shard no more');
  }

  /** Puts the events of an entry on their way; resolves when there is room for more. */
  async #take(change: Change): Promise<void> {
    const { shard, target } = this.#options;
    const entry: Unfinished = { position: change.position, left: 0 };
    let ordinal = 0;
    for (const event of change.events) {
      if (event.type !== 'noticed') continue;
      const place: NoticePlace = { shard: shard.number, position: change.position, ordinal: ordinal++ };
      for (const [number, destination] of event.notice.destinations.entries())
        if (destination.target === target) {
          while (this.#waiting >= limits.noticesAhead && !this.#stop.signal.aborted) await this.#change();
          if (entry.left++ === 0) this.#unfinished.push(entry);
          this.#lane(entry, {
            notice: event.notice,
            message: messageOf(event.notice, place, destination),
            name: failedName(place, number),
          });
        }
    }
    this.#bytes += change.bytes;
    this.#read = change.position + 1;
  }

  #lane(entry: Unfinished, event: Followed): void {
    const { bucket, key } = event.notice;
    const name = `${bucket}/${key.toString('latin1')}`;
    this.#waiting++;
    const before = this.#lanes.get(name) ?? Promise.resolve();
    const mine = before.then(async () => {
      if (await this.#deliver(event.message, event)) {
        entry.left--;
        this.#deliveredSince = true;
      }
      this.#waiting--;
      if (this.#lanes.get(name) === mine) this.#lanes.delete(name);
      this.#wake();
    });
    this.#lanes.set(name, mine);
  }

  /** Tries until the target has it or it was given up, or the follower ends: then false. @param event absent: it is never given up */
  async #deliver(message: Message, event?: Followed): Promise<boolean> {
    const { sender, host, shard, target, onEvent } = this.#options;
    const { signal } = this.#stop;
    let pause: number = limits.noticeRetryMs;
    let [refusals, tries, since] = [0, 0, 0];
    for (;;) {
      while (this.#flying >= limits.noticesInFlight && !signal.aborted) await this.#change();
      if (signal.aborted || !shard.leads()) return false;
      this.#flying++;
      tries++;
      let refused: string | undefined;
      try {
        await sender.send(message);
        this.#delivered++;
        this.#lastFailure = undefined;
        return true;
      } catch (cause) {
        if (signal.aborted) return false;
        this.#failures++;
        const text = cause instanceof Error ? cause.message : String(cause);
        if (this.#lastFailure === undefined)
          onEvent('a target of notifications does not take events; they are kept and tried again', {
            target,
            shard: shard.number,
            cause,
          });
        this.#lastFailure = text;
        if (cause instanceof RefusalError) refused = text;
      } finally {
        this.#flying--;
        this.#wake();
      }
      if (refused !== undefined && event) {
        const now = host.clock.monotonic();
        if (refusals++ === 0) since = now;
        const over = refusals >= limits.noticeRefusals && now - since >= limits.noticeRefusedMs;
        if (over && (await this.#giveUp(event, tries, refused))) return true;
      }
      // Spread, so that what failed together is not tried together.
      await host.timers.sleep(pause * (0.5 + host.entropy.bytes(1)[0]! / 512), signal);
      pause = Math.min(2 * pause, limits.noticeRetryMostMs);
    }
  }

  /** Puts an event on the list of failed ones, where it is durable before the position goes past it. @returns false where that cannot be now */
  async #giveUp({ notice, message, name }: Followed, tries: number, failure: string): Promise<boolean> {
    const { shard, target, host, sender, onEvent } = this.#options;
    const what = { failedMs: host.clock.now(), tries, failure };
    try {
      await sender.gaveUp?.(message);
      await shard.propose({ type: 'event.fail', target, name, event: failedRecord(message, notice, what) });
    } catch {
      // Not every node knows such lists yet, or another one owns the shard: it is tried on.
      return false;
    }
    this.#refused++;
    onEvent('a target has refused an event for good: `dsom events failed list` shows it', {
      target,
      shard: shard.number,
      id: message.id,
      tries,
      failure,
    });
    return true;
  }

  /** All below it was dealt with. */
  get #done(): number {
    while (this.#unfinished[0]?.left === 0) this.#unfinished.shift();
    return this.#unfinished[0]?.position ?? this.#read;
  }

  /** Writes how far it is, when that is worth an entry: not for entries that tell this target nothing, of which this write is one. */
  #write(feed: Feed): Promise<void> {
    this.#writing ??= this.#advance(feed).finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  async #advance(feed: Feed): Promise<void> {
    const position = this.#done;
    if (position <= this.#written || (!this.#deliveredSince && this.#bytes < limits.followerWriteBytes)) return;
    const { shard, target } = this.#options;
    this.#deliveredSince = false;
    this.#bytes = 0;
    try {
      await shard.propose({ type: 'follower.advance', name: followerName(target), position });
    } catch {
      // Nothing is forgotten: the next write says it.
      this.#deliveredSince = true;
      return;
    }
    this.#written = position;
    feed.acknowledge(position);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#moved.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#moved.splice(0)) resolve();
  }
}
