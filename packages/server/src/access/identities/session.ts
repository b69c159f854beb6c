import { hash, timingSafeEqual } from 'node:crypto';
import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { FifoMap } from '../../fifo.ts';
import { limits } from '../../limits.ts';

/*
 * Temporary credentials. A session is kept by nobody: all that is known of it is in its token, sealed with the key of the store and bound to
 * this use, so that only the store makes one and nobody reads or changes it. What a session may is not in the token but looked up for every request:
 * its user or role as it is then, and the access key that it was made with. When one of them is gone, so is the session; that is why tokens need no table
 * that grows, and none can outlive what gave it. The format is in docs/formats/sessions.md.
 */

const sessionKinds = ['user', 'role', 'federated'] as const;

export interface Session {
  readonly kind: (typeof sessionKinds)[number];
  /** `ASIA…` */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** 12 digits: account of the user or role. */
  readonly account: string;
  /** Id of the user or role; empty: root of the account. */
  readonly principal: string;
  /** The access key for good that stands behind it, over however many sessions. */
  readonly origin: string;
  /** RoleSessionName, or the name of a federated user; empty: a session of the user himself. */
  readonly name: string;
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** Session policies: texts, and ARNs of managed ones. */
  readonly documents: readonly string[];
  readonly policyArns: readonly string[];
  readonly tags: readonly (readonly [string, string])[];
  /** Of the tags, the keys that sessions made with this one inherit. */
  readonly transitive: readonly string[];
  readonly sourceIdentity: string | undefined;
}

/** Seals and opens; a KeyService is one. */
export interface TokenSealer {
  wrap(plain: Uint8Array, context: Uint8Array): Promise<Buffer>;
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Buffer>;
}

const context = Buffer.from('dsom session token 1');

function encode(session: Session): Buffer {
  const out = new ByteWriter(512).u8(1).u8(sessionKinds.indexOf(session.kind)).string(session.accessKeyId);
  out.string(session.secretAccessKey).string(session.account).string(session.principal).string(session.origin);
  out
    .string(session.name)
    .u64(session.issuedMs)
    .u64(session.expiresMs)
    .string(session.sourceIdentity ?? '');
  for (const list of [session.documents, session.policyArns, session.transitive, session.tags.flat()]) {
    out.varint(list.length);
    for (const one of list) out.string(one);
  }
  return out.finish();
}

function decode(bytes: Buffer): Session {
  const from = new ByteReader(bytes);
  if (from.u8() !== 1) throw new RangeError('a session token of another version');
  const kind = sessionKinds[from.u8()];
  if (kind === undefined) throw new RangeError('a session of an unknown kind');
  const about = {
    kind,
    accessKeyId: from.string(),
    secretAccessKey: from.string(),
    account: from.string(),
    principal: from.string(),
    origin: from.string(),
    name: from.string(),
    issuedMs: from.u64(),
    expiresMs: from.u64(),
  };
  const sourceIdentity = from.string();
  const list = (): string[] => {
    const length = from.varint();
    if (length > from.remaining) throw new RangeError('a session token that counts more than it holds');
    return Array.from({ length }, () => from.string());
  };
  const [documents, policyArns, transitive, flat] = [list(), list(), list(), list()];
  const tags = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]] as [string, string]);
  if (from.remaining !== 0) throw new RangeError('a session token with bytes behind its end');
  return {
    ...about,
    documents,
    policyArns,
    transitive,
    tags,
    sourceIdentity: sourceIdentity === '' ? undefined : sourceIdentity,
  };
}

const invalid = (): StoreError =>
  new StoreError('InvalidToken', { message: 'The provided token is malformed or otherwise invalid.' });

/** Makes and opens session tokens. One per thread; those that were opened are kept, bounded. */
export class SessionTokens {
  readonly #sealer: TokenSealer;
  readonly #opened = new FifoMap<string, Session>(limits.sessionsOpened);

  constructor(sealer: TokenSealer) {
    this.#sealer = sealer;
  }

  /** @throws StoreError PackedPolicyTooLarge */
  async seal(session: Session): Promise<string> {
    const token = (await this.#sealer.wrap(encode(session), context)).toString('base64');
    if (token.length > limits.sessionTokenBytes)
      throw new StoreError('PackedPolicyTooLarge', {
        message: `Packed policy consumes ${Math.ceil((100 * token.length) / limits.sessionTokenBytes)}% of allotted space, please use smaller policy.`,
      });
    return token;
  }

  /**
   * The session of a token that was sent with this access key.
   * @returns a promise only when it was not opened before
   * @throws StoreError InvalidToken (or rejects with it) for anything but a token of this store that belongs to the key
   */
  open(token: string, accessKeyId: string): Session | Promise<Session> {
    if (token.length > limits.sessionTokenBytes || !/^[A-Za-z0-9+/]+={0,2}$/.test(token)) throw invalid();
    const name = hash('sha256', token, 'base64');
    const held = this.#opened.get(name);
    if (held) return SessionTokens.#belongs(held, accessKeyId);
    return this.#sealer.unwrap(Buffer.from(token, 'base64'), context).then(
      (plain) => {
        let session: Session;
        try {
          session = decode(plain);
        } catch {
          throw invalid();
        }
        this.#opened.set(name, session);
        return SessionTokens.#belongs(session, accessKeyId);
      },
      () => {
        throw invalid();
      },
    );
  }

  static #belongs(session: Session, accessKeyId: string): Session {
    const [own, given] = [session.accessKeyId, accessKeyId].map((id) => hash('sha256', id, 'buffer'));
    if (!timingSafeEqual(own as Buffer, given as Buffer)) throw invalid();
    return session;
  }
}
