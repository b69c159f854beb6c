import type { Position } from '../log/index.ts';
import type { Command, ShortReply } from '../metadata/index.ts';

/*
 * Small puts on their way from one thread to another, and what they are answered: lists, whose fields both sides know by their places. An object
 * says the names of its fields in every message, and is packed and unpacked name by name; nearly all that crosses under load are puts of one kind, so
 * that kind has a list. Whatever says anything else stays an object. docs/decisions/0021-small-puts.md has the figures.
 */

type Put = Extract<Command, { readonly type: 'object.put' }>;

/** What is asked of the owner's thread. */
export interface Proposal {
  readonly command: Command;
  /** The id by which a second try is answered as the first. */
  readonly request: Buffer | undefined;
}

/** An answer of the owner, short of what the worker knows. */
export interface Proposed {
  readonly reply: ShortReply;
  readonly position: Position;
}

type Draft = Put['draft'];
type Piece = Put['pieces'][number];

export type ListedPut = readonly [
  bucket: Put['bucket'],
  key: Buffer,
  owner: string,
  size: number,
  md5: Buffer,
  storageClass: string,
  headers: Draft['headers'],
  metadata: Draft['metadata'],
  tags: Draft['tags'],
  wrappedKey: Buffer,
  salt: Buffer,
  compressed: boolean,
  sealed: boolean,
  inline: Buffer,
];

type Short = Extract<ShortReply, { readonly type: 'put' }>;

export type ListedAnswer = readonly [
  guk: Buffer,
  sequence: number,
  nonce: Buffer,
  isNull: boolean,
  modifiedMs: number,
  manifest: Buffer,
  pieces: number,
  embedded: boolean,
  replacedNull: boolean,
  position: Position,
];

/** Fields of a put, its draft and its piece that a list has a place or one value for. One that says more has more of them. */
const fields = { put: 7, draft: 10, piece: 7 } as const;

const has = (object: object, count: number): boolean => Object.keys(object).length === count;

/** One new object of one inline piece, of which nothing is said but what every put says. */
function listable(command: Put): Piece | undefined {
  const { draft, pieces } = command;
  const [piece] = pieces;
  const plain =
    piece !== undefined &&
    pieces.length === 1 &&
    'inline' in piece.body &&
    has(command, fields.put) &&
    has(draft, fields.draft) &&
    has(piece, fields.piece) &&
    command.guard === undefined &&
    draft.checksum === undefined &&
    piece.checksum === undefined &&
    draft.etag === piece.md5 &&
    draft.etagParts === 0 &&
    draft.size === piece.size &&
    draft.partSizes.length === 0;
  return plain ? piece : undefined;
}

/** What crosses for a proposal. */
export function listed(proposal: Proposal): Proposal | ListedPut {
  const { command, request } = proposal;
  if (command.type !== 'object.put' || request !== undefined) return proposal;
  const piece = listable(command);
  if (!piece) return proposal;
  const { bucket, key, owner, draft } = command;
  const { storageClass, headers, metadata, tags, wrappedKey } = draft;
  const { size, md5, salt, compressed, sealed, body } = piece;
  const { inline } = body as { readonly inline: Buffer };
  return [
    bucket,
    key,
    owner,
    size,
    md5,
    storageClass,
    headers,
    metadata,
    tags,
    wrappedKey,
    salt,
    compressed,
    sealed,
    inline,
  ];
}

/** The proposal that has crossed. */
export function unlisted(crossed: Proposal | ListedPut): Proposal {
  if ('command' in crossed) return crossed;
  const [
    bucket,
    key,
    owner,
    size,
    md5,
    storageClass,
    headers,
    metadata,
    tags,
    wrappedKey,
    salt,
    compressed,
    sealed,
    inline,
  ] = crossed;
  const checksum = undefined;
  const command: Put = {
    type: 'object.put',
    bucket,
    key,
    owner,
    guard: undefined,
    draft: {
      size,
      etag: md5,
      etagParts: 0,
      storageClass,
      headers,
      metadata,
      tags,
      checksum,
      wrappedKey,
      partSizes: [],
    },
    pieces: [{ salt, size, md5, checksum, compressed, sealed, body: { inline } }],
  };
  return { command, request: undefined };
}

/** What crosses for an answer. */
export function listedAnswer({ reply, position }: Proposed): Proposed | ListedAnswer {
  if (reply.type !== 'put') return { reply, position };
  const { guk, sequence, nonce, isNull, modifiedMs, manifest, pieces, embedded, replacedNull } = reply;
  return [guk, sequence, nonce, isNull, modifiedMs, manifest, pieces, embedded, replacedNull, position];
}

/** The answer that has crossed. */
export function unlistedAnswer(crossed: Proposed | ListedAnswer): Proposed {
  if ('reply' in crossed) return crossed;
  const [guk, sequence, nonce, isNull, modifiedMs, manifest, pieces, embedded, replacedNull, position] = crossed;
  const reply: Short = {
    type: 'put',
    guk,
    sequence,
    nonce,
    isNull,
    modifiedMs,
    manifest,
    pieces,
    embedded,
    replacedNull,
  };
  return { reply, position };
}
