import { accountOf } from '../../access/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { KeyFormat, Logging } from './configurations/logging.ts';

/*
 * Lines of access logs on their way into objects of the target buckets. Best effort, as in AWS: what a process holds when it is killed is gone, and what finds no room is dropped
 * and counted. A log object is put by the object service, not by a request, so it is in no log itself: a bucket that is logged into itself does not go on for ever.
 */

export interface AccessDeliveryOptions {
  readonly objects: ObjectService;
  readonly host: Host;
  readonly region: string;
  /** Longest time that a line waits, ms. */
  readonly everyMs: number;
  readonly onFailure: (fields: Readonly<Record<string, unknown>>) => void;
}

/** Of this thread, since its start. */
export interface AccessTotals {
  readonly delivered: number;
  readonly lost: number;
}

/** Lines that become one object. */
interface Gathering {
  readonly source: string;
  readonly owner: string;
  readonly logging: Logging;
  /** 00:00 UTC of the day of the requests, where keys are made of it. */
  readonly day: number | undefined;
  lines: string[];
  bytes: number;
}

const dayMs = 86_400_000;
const two = (value: number): string => String(value).padStart(2, '0');

/** `[prefix]YYYY-MM-DD-hh-mm-ss-UNIQUE`, or the same below `[prefix]ACCOUNT/REGION/BUCKET/YYYY/MM/DD/`. */
export function logKey(
  logging: Pick<Logging, 'prefix' | 'format'>,
  made: { readonly account: string; readonly region: string; readonly source: string },
  timeMs: number,
  unique: string,
): string {
  const time = new Date(timeMs);
  const [year, month, day] = [String(time.getUTCFullYear()), two(time.getUTCMonth() + 1), two(time.getUTCDate())];
  const clock = `${two(time.getUTCHours())}-${two(time.getUTCMinutes())}-${two(time.getUTCSeconds())}`;
  const name = `${year}-${month}-${day}-${clock}-${unique}`;
  if (logging.format === undefined || logging.format === 'simple') return `${logging.prefix}${name}`;
  return `${logging.prefix}${made.account}/${made.region}/${made.source}/${year}/${month}/${day}/${name}`;
}

export class AccessDelivery {
  readonly #options: AccessDeliveryOptions;
  readonly #gathering = new Map<string, Gathering>();
  readonly #cancel: () => void;
  #bytes = 0;
  #delivered = 0;
  #lost = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: AccessDeliveryOptions) {
    this.#options = options;
    this.#cancel = options.host.timers.every(options.everyMs, () => void this.flush());
  }

  totals(): AccessTotals {
    return { delivered: this.#delivered, lost: this.#lost };
  }

  add(source: { readonly name: string; readonly owner: string }, logging: Logging, line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > limits.accessLogBytes) {
      this.#lost++;
      return;
    }
    const byDay: KeyFormat = 'EventTime';
    const now = this.#options.host.clock.now();
    const day = logging.format === byDay ? Math.floor(now / dayMs) * dayMs : undefined;
    const name = [source.name, logging.bucket, logging.prefix, logging.format, day].join('\n');
    let into = this.#gathering.get(name);
    if (!into) {
      into = { source: source.name, owner: source.owner, logging, day, lines: [], bytes: 0 };
      this.#gathering.set(name, into);
    }
    into.lines.push(line);
    into.bytes += bytes;
    this.#bytes += bytes;
    if (into.bytes >= limits.accessLogObjectBytes) {
      this.#gathering.delete(name);
      this.#send([into]);
    }
  }

  /** Delivers what has gathered; resolves when it lies in the target buckets, or was given up. */
  flush(): Promise<void> {
    const all = [...this.#gathering.values()];
    this.#gathering.clear();
    this.#send(all);
    return this.#last;
  }

  /** One object after the other: requests come first. */
  #send(all: readonly Gathering[]): void {
    for (const one of all)
      this.#last = this.#last.then(async () => {
        try {
          await this.#put(one);
          this.#delivered += one.lines.length;
        } catch (cause) {
          this.#lost += one.lines.length;
          this.#options.onFailure({ bucket: one.source, target: one.logging.bucket, lines: one.lines.length, cause });
        } finally {
          this.#bytes -= one.bytes;
        }
      });
  }

  async #put({ source, owner, logging, day, lines }: Gathering): Promise<void> {
    const { objects, host, region } = this.#options;
    const unique = host.entropy.bytes(8).toString('hex').toUpperCase();
    const made = { account: accountOf(owner), region, source };
    const key = logKey(logging, made, day ?? host.clock.now(), unique);
    const target = objects.bucket(logging.bucket);
    // Given to somebody else meanwhile: it is not for him.
    if (target.owner !== owner) throw new Error('the target bucket belongs to another owner');
    const whole = Buffer.from(lines.join(''), 'utf8');
    await objects.put({
      bucket: logging.bucket,
      key: Buffer.from(key, 'utf8'),
      owner: target.owner,
      headers: { contentType: 'text/plain' },
      metadata: [],
      tags: [],
      storageClass: 'STANDARD',
      body: { whole, stream: once(whole), length: whole.length },
      expected: {},
      guard: undefined,
      redundancy: undefined,
    });
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.flush();
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
