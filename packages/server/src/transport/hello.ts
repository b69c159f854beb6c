import { ByteReader, ByteWriter } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { frameTypes, headerBytes, LinkError, putHeader } from './frames.ts';

/** What a side says of itself in the first frame. */
export interface Hello {
  /** Versions of the protocol that it speaks. */
  readonly versions: readonly number[];
  /** Optional behaviour that it knows; used when both sides do. */
  readonly features: readonly string[];
  /** Bytes of the body of a call that it takes before it asks for more. */
  readonly window: number;
  /** Calls that it serves at the same time on one link. */
  readonly calls: number;
}

/** What two sides agree on. */
export interface Agreement {
  readonly version: number;
  readonly features: readonly string[];
  /** As the other side said them. */
  readonly window: number;
  readonly calls: number;
}

const magic = Buffer.from('DSOMLINK', 'latin1');

export const ownHello: Hello = {
  versions: [1],
  features: [],
  window: limits.linkWindowBytes,
  calls: limits.linkCalls,
};

export function encodeHello(hello: Hello): Buffer {
  const writer = new ByteWriter(128).raw(Buffer.alloc(headerBytes)).raw(magic).varint(hello.versions.length);
  for (const version of hello.versions) writer.varint(version);
  writer.varint(hello.features.length);
  for (const feature of hello.features) writer.string(feature);
  const frame = writer.varint(hello.window).varint(hello.calls).finish();
  putHeader(frame, 0, frameTypes.hello, 0, 0, frame.length - headerBytes);
  return frame;
}

/** What later versions add behind the fields known here is left unread. */
export function decodeHello(payload: Buffer): Hello {
  if (!payload.subarray(0, magic.length).equals(magic)) throw new LinkError('the other side is no node of DSOM');
  try {
    const reader = new ByteReader(payload.subarray(magic.length));
    const list = <Item>(most: number, read: () => Item): Item[] => {
      const count = reader.varint();
      if (count > most) throw new LinkError(`a list of ${count} items in the negotiation`);
      return Array.from({ length: count }, read);
    };
    const versions = list(limits.linkVersions, () => reader.varint());
    const features = list(limits.linkFeatures, () => reader.string());
    return { versions, features, window: reader.varint(), calls: reader.varint() };
  } catch (error) {
    if (error instanceof CorruptionError) throw new LinkError(`the negotiation is not well formed: ${error.message}`);
    throw error;
  }
}

/** @returns a LinkError naming the versions of both when they have none in common */
export function agree(own: Hello, other: Hello): Agreement | LinkError {
  const common = own.versions.filter((version) => other.versions.includes(version));
  if (common.length === 0) {
    const list = (hello: Hello) => hello.versions.join(', ') || 'none';
    return new LinkError(
      `no common version of the protocol between nodes: this node speaks ${list(own)}, the other one ${list(other)}. upgrade the older node`,
    );
  }
  return {
    version: Math.max(...common),
    features: own.features.filter((feature) => other.features.includes(feature)),
    window: other.window,
    calls: other.calls,
  };
}
