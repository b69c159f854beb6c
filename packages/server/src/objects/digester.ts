import {
  type Checksum,
  type ChecksumAlgorithm,
  createChecksum,
  digestOf,
  type LaneStream,
  Md5Lanes,
} from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Expected } from './types.ts';

/** Which digests of a body are wanted besides its MD5. */
export interface DigestPlan {
  readonly sha256: boolean;
  readonly checksums: readonly ChecksumAlgorithm[];
}

export interface Digests {
  readonly md5: Buffer;
  readonly sha256: Buffer | undefined;
  readonly checksums: ReadonlyMap<ChecksumAlgorithm, Buffer>;
}

/**
 * Digests one body. MD5 is what limits large uploads, so those of a thread are hashed together: whoever feeds a digester
 * waits for what {@link update} gives, and must not change a chunk until the digests are there.
 */
export interface Digester {
  /** @returns a promise when the caller must wait before it gives more */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /** Bytes of the chunks given last that are still read from where they lie; until {@link finish} is called. */
  readonly waiting: number;
  /** Once, after the last chunk. */
  finish(): Promise<Digests> | Digests;
  /** The digests are not wanted any more. */
  abandon(): void;
}

const none: ReadonlyMap<ChecksumAlgorithm, Buffer> = new Map();

/** What must be computed to check `expected` and to store a checksum of `stored`. */
export function digestPlan(expected: Expected, stored: ChecksumAlgorithm | undefined): DigestPlan {
  const given = expected.checksum?.algorithm;
  const checksums: ChecksumAlgorithm[] = [];
  if (stored !== undefined) checksums.push(stored);
  if (given !== undefined && given !== stored) checksums.push(given);
  return { sha256: expected.sha256 !== undefined, checksums };
}

/** The digests that are computed as the bytes come, whatever becomes of MD5. */
class Others {
  readonly #plan: DigestPlan;
  readonly #checksums: ReadonlyMap<ChecksumAlgorithm, Checksum>;
  readonly #sha256: Checksum | undefined;

  constructor(plan: DigestPlan) {
    this.#plan = plan;
    // MD5 is computed anyway.
    const others = plan.checksums.filter((algorithm) => algorithm !== 'MD5');
    this.#checksums = new Map(others.map((algorithm) => [algorithm, createChecksum(algorithm)] as const));
    this.#sha256 = plan.sha256 && !plan.checksums.includes('SHA256') ? createChecksum('SHA256') : undefined;
  }

  update(chunk: Uint8Array): void {
    this.#sha256?.update(chunk);
    for (const checksum of this.#checksums.values()) checksum.update(chunk);
  }

  finish(md5: Buffer): Digests {
    const checksums = new Map<ChecksumAlgorithm, Buffer>();
    for (const algorithm of this.#plan.checksums)
      checksums.set(algorithm, this.#checksums.get(algorithm)?.digest() ?? md5);
    const sha256 = this.#plan.sha256 ? (this.#sha256?.digest() ?? checksums.get('SHA256')) : undefined;
    return { md5, sha256, checksums };
  }
}

class LoneDigester implements Digester {
  readonly waiting = 0;
  readonly #md5: Checksum;
  readonly #others: Others;

  constructor(plan: DigestPlan, md5 = createChecksum('MD5')) {
    this.#md5 = md5;
    this.#others = new Others(plan);
  }

  update(chunk: Uint8Array): undefined {
    this.#md5.update(chunk);
    this.#others.update(chunk);
  }

  finish(): Digests {
    return this.#others.finish(this.#md5.digest());
  }

  abandon(): void {}
}

class LaneDigester implements Digester {
  readonly #md5: LaneStream;
  readonly #others: Others;

  constructor(plan: DigestPlan, lanes: Md5Lanes) {
    this.#md5 = lanes.open();
    this.#others = new Others(plan);
  }

  update(chunk: Uint8Array): Promise<void> | undefined {
    this.#others.update(chunk);
    return this.#md5.update(chunk);
  }

  get waiting(): number {
    return this.#md5.waiting;
  }

  async finish(): Promise<Digests> {
    return this.#others.finish(await this.#md5.digest());
  }

  abandon(): void {
    this.#md5.abandon();
  }
}

/** The lanes of this thread: whatever runs on it shares its timers. */
const lanesOf = new WeakMap<Timers, Md5Lanes>();

function lanesWith(timers: Timers): Md5Lanes {
  const lanes = lanesOf.get(timers) ?? new Md5Lanes(timers);
  lanesOf.set(timers, lanes);
  return lanes;
}

/**
 * Starts the digests of a body.
 * @param size its bytes when known; small ones are not worth the wait for company
 * @param timers those of this thread; without them each body is digested for itself
 * @param md5 gives the MD5 of the whole body, where somebody else makes it
 */
export function createDigester(plan: DigestPlan, size?: number, timers?: Timers, md5?: () => Buffer): Digester {
  if (md5) return new LoneDigester(plan, { update() {}, digest: md5 });
  const small = size !== undefined && size <= limits.wholeBodyBytes;
  return small || !timers ? new LoneDigester(plan) : new LaneDigester(plan, lanesWith(timers));
}

/**
 * Digests of bytes that are all at hand.
 * @param md5 gives their MD5, where it is made already or together with others
 */
export function digestsOf(bytes: Uint8Array, plan: DigestPlan, md5 = () => digestOf('MD5', bytes)): Digests {
  let checksums = none;
  const whole = md5();
  if (plan.checksums.length > 0) {
    const digest = (algorithm: ChecksumAlgorithm) => (algorithm === 'MD5' ? whole : digestOf(algorithm, bytes));
    checksums = new Map(plan.checksums.map((algorithm) => [algorithm, digest(algorithm)] as const));
  }
  const sha256 = plan.sha256 ? (checksums.get('SHA256') ?? digestOf('SHA256', bytes)) : undefined;
  return { md5: whole, sha256, checksums };
}

/**
 * Compares what came with what was announced, trailer included.
 * @throws StoreError BadDigest, XAmzContentSHA256Mismatch, InvalidRequest
 */
export function checkDigests(expected: Expected, digests: Digests): void {
  if (expected.md5 && !expected.md5.equals(digests.md5)) {
    throw new StoreError('BadDigest', {
      message: 'The Content-MD5 you specified did not match what we received.',
      detail: { ExpectedDigest: expected.md5.toString('base64'), CalculatedDigest: digests.md5.toString('base64') },
    });
  }
  if (expected.sha256 && !(digests.sha256 && expected.sha256.equals(digests.sha256))) {
    throw new StoreError('XAmzContentSHA256Mismatch', {
      detail: {
        ClientComputedContentSHA256: expected.sha256.toString('hex'),
        S3ComputedContentSHA256: digests.sha256?.toString('hex') ?? '',
      },
    });
  }
  if (expected.checksum?.value) checkOne(expected.checksum.algorithm, expected.checksum.value, digests);
  const trailer = expected.trailer?.();
  if (trailer) checkOne(trailer.algorithm, trailer.value, digests);
}

function checkOne(algorithm: ChecksumAlgorithm, value: Buffer, digests: Digests): void {
  const computed = digests.checksums.get(algorithm);
  if (!computed) {
    throw new StoreError('InvalidRequest', { message: `The ${algorithm} checksum in the trailer was not announced.` });
  }
  if (!computed.equals(value)) {
    throw new StoreError('BadDigest', {
      message: `The ${algorithm} you specified did not match the calculated checksum.`,
    });
  }
}
