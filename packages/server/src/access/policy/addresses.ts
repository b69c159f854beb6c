import { FifoMap } from '../../fifo.ts';
import { limits } from '../../limits.ts';

/*
 * Addresses and ranges of IPv4 and IPv6, as numbers. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`, as a socket that listens to both
 * reports it) is the IPv4 address: otherwise whoever chooses the form of the connection would choose which ranges he is in.
 */

/** 32 bits as a number, 128 bits as a bigint. */
export type Address = { readonly family: 4; readonly bits: number } | { readonly family: 6; readonly bits: bigint };

export interface AddressRange {
  readonly family: 4 | 6;
  readonly first: number | bigint;
  readonly last: number | bigint;
}

/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255` */
const longestAddress = 45;

const octet = /^(?:0|[1-9]\d{0,2})$/;
const hextet = /^[0-9a-fA-F]{1,4}$/;

/** Decimal octets without leading zeros, which some read as octal. */
function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let bits = 0;
  for (const part of parts) {
    if (!octet.test(part) || Number(part) > 255) return undefined;
    bits = bits * 256 + Number(part);
  }
  return bits;
}

function hextets(text: string): bigint[] | undefined {
  if (text === '') return [];
  const parts: bigint[] = [];
  const given = text.split(':');
  for (const [index, part] of given.entries()) {
    if (part.includes('.')) {
      const v4 = index === given.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      parts.push(BigInt(v4 >>> 16), BigInt(v4 & 0xffff));
    } else if (hextet.test(part)) parts.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return parts;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const left = hextets(halves[0] as string);
  const right = halves.length === 2 ? hextets(halves[1] as string) : [];
  if (!left || !right) return undefined;
  const missing = 8 - left.length - right.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...left, ...Array.from({ length: missing }, () => 0n), ...right];
  return all.reduce((bits, part) => (bits << 16n) | part, 0n);
}

/** @returns undefined when the text is no address */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) {
    const bits = parseV4(text);
    return bits === undefined ? undefined : { family: 4, bits };
  }
  const bits = parseV6(text);
  if (bits === undefined) return undefined;
  return bits >> 32n === 0xffffn ? { family: 4, bits: Number(bits & 0xffffffffn) } : { family: 6, bits };
}

/** Requests come one after the other from the same few addresses. */
const read = new FifoMap<string, Address | null>(limits.policyAddressesKept);

/** {@link parseAddress} of what is asked about again and again. */
export function addressOf(text: string): Address | undefined {
  let address = read.get(text);
  if (address === undefined) {
    address = parseAddress(text) ?? null;
    // Of what a request may say at any length nothing is kept.
    if (text.length <= longestAddress) read.set(text, address);
  }
  return address ?? undefined;
}

/** An address, or a range in CIDR form (RFC 4632). @returns undefined when it is neither */
export function parseRange(text: string): AddressRange | undefined {
  const slash = text.indexOf('/');
  const name = slash < 0 ? text : text.slice(0, slash);
  const address = parseAddress(name);
  if (!address) return undefined;
  const written = name.includes(':') ? 128 : 32;
  const width = address.family === 4 ? 32 : 128;
  let prefix = width;
  if (slash >= 0) {
    const given = text.slice(slash + 1);
    if (!octet.test(given) || Number(given) > written) return undefined;
    prefix = Number(given) - (written - width);
    // A range of IPv6 that holds all of IPv4 inside IPv6, and more: no network has it.
    if (prefix < 0) return undefined;
  }
  if (address.family === 4) {
    const size = 2 ** (32 - prefix);
    const begin = Math.floor(address.bits / size) * size;
    return { family: 4, first: begin, last: begin + size - 1 };
  }
  const rest = (1n << BigInt(width - prefix)) - 1n;
  const first = address.bits & ~rest;
  return { family: 6, first, last: first | rest };
}

export const inRange = (range: AddressRange, { family, bits }: Address): boolean =>
  family === range.family && bits >= range.first && bits <= range.last;
