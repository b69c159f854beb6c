/* The part of DER (ITU-T X.690) that a certificate needs, written only: certificates are read by node:crypto. */

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

/** One value: tag, length, contents. */
export function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(body.length), body]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => tagged(tags.sequence, ...items);
export const set = (...items: readonly Uint8Array[]): Buffer => tagged(tags.set, ...items);
export const octets = (bytes: Uint8Array): Buffer => tagged(tags.octetString, bytes);
export const text = (value: string): Buffer => tagged(tags.utf8, Buffer.from(value, 'utf8'));
export const yes: Buffer = tagged(tags.boolean, Buffer.from([0xff]));

/** A number that is not negative, from its bytes (big-endian). */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  const sign = (digits[0] as number) >= 0x80 ? [0] : [];
  return tagged(tags.integer, Buffer.from(sign), digits);
}

/** @param unused bits at the end that do not count */
export function bits(bytes: Uint8Array, unused = 0): Buffer {
  return tagged(tags.bitString, Buffer.from([unused]), bytes);
}

/** @param dotted as in `2.5.29.19` */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) | 0x80);
    bytes.push(...digits);
  }
  return tagged(tags.objectId, Buffer.from(bytes));
}

/** To the second; two digits of the year until 2049, four from 2050 (RFC 5280, 4.1.2.5). */
export function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '');
  const year = Number(digits.slice(0, 4));
  if (year < 2050) return tagged(tags.utcTime, Buffer.from(digits.slice(2), 'latin1'));
  return tagged(tags.generalizedTime, Buffer.from(digits, 'latin1'));
}
