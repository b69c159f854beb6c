import { manualHost } from '../host/index.ts';
import { CalleeSide } from './callee.ts';
import { CallerSide } from './caller.ts';
import { FrameDecoder, type FrameType } from './frames.ts';
import { encodeHello, ownHello } from './hello.ts';
import { Link } from './link.ts';
import { newPools } from './pool.ts';
import type { Serve } from './types.ts';
import type { MemoryWire } from './wire.fixture.ts';

/** Time that moves only when told, with what is due and what follows from it done in order. */
export function simulation(seed = 1) {
  const host = manualHost(seed);
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  const pass = async (milliseconds: number, step = 1) => {
    for (let passed = 0; passed < milliseconds; passed += step) {
      host.advance(step);
      await settle();
    }
  };
  return { host, settle, pass };
}

type Simulation = ReturnType<typeof simulation>;

export interface Frame {
  readonly type: FrameType;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** An end of a wire that is driven by hand: sends what it likes, and keeps what it is sent. */
export class RawEnd {
  readonly wire: MemoryWire;
  readonly frames: Frame[] = [];

  constructor(wire: MemoryWire) {
    this.wire = wire;
    const decoder = new FrameDecoder({
      frame: (type, flags, id, payload) => this.frames.push({ type, flags, id, payload }),
      body: (flags, id, bytes) => this.frames.push({ type: 4, flags, id, payload: bytes }),
    });
    wire.attach({ data: (chunk) => decoder.push(chunk), closed: () => {} });
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.wire.write(bytes, () => {});
  }

  hello(): void {
    this.send(encodeHello(ownHello));
  }

  of(type: FrameType): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

/** A link's callee on a wire of which the other end is `far`. */
export function calleeOn(wire: MemoryWire, { host }: Simulation, serve: Serve, pools = newPools()) {
  const errors: unknown[] = [];
  const ends: Error[] = [];
  const link = new Link({ wire, host });
  const side = new CalleeSide(link, {
    host,
    pools,
    serve,
    node: 'caller',
    onError: (cause) => errors.push(cause),
    onBroken: (cause) => ends.push(cause),
  });
  link.start(side);
  return { link, side, pools, errors, ends };
}

export function callerOn(wire: MemoryWire, { host }: Simulation, pools = newPools(), validUntilMs?: number) {
  const ends: Error[] = [];
  const link = new Link({ wire, host, ...(validUntilMs !== undefined && { validUntilMs }) });
  const side = new CallerSide(link, host, pools, {
    opened: () => {},
    goodbye: () => side.retire(),
    broken: (cause) => ends.push(cause),
  });
  link.start(side);
  return { link, side, pools, ends };
}
