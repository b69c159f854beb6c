import { Packr } from 'msgpackr';

/*
 * How the heads of calls between nodes are written: MessagePack, plain data and bytes. Each message stands alone (no shared records), so a
 * restarted node never misreads an older one.
 */
const packr = new Packr({ useRecords: false, moreTypes: false });

export const pack = (value: unknown): Buffer => Buffer.from(packr.pack(value));

/** Plain data out of the head of a call; bytes are views of it. */
export const unpack = <Value>(bytes: Buffer): Value => packr.unpack(bytes) as Value;
