import type { LookupFunction } from 'node:net';
import { StoreError } from '../errors.ts';

const { BlockList, isIP } = process.getBuiltinModule('node:net');
const dns = process.getBuiltinModule('node:dns');

/*
 * Which addresses a source may have. Only an operator names one, and old stores stand in private networks and on this machine; but where machines of
 * clouds are given credentials no store stands, and a name may be made to lead there. So what a name means is looked at for each connection, and the
 * address that was looked at is the one that is spoken to.
 */

const refused = new BlockList();
for (const [net, bits] of [
  // The link: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html and most clouds.
  ['169.254.0.0', 16],
  // Alibaba's, Oracle's.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['0.0.0.0', 8],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
] as const)
  refused.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['fe80::', 10],
  ['fd00:ec2::', 32],
  ['::', 128],
  ['ff00::', 8],
  // The same addresses, by way of NAT64.
  ['64:ff9b::a9fe:0', 112],
] as const)
  refused.addSubnet(net, bits, 'ipv6');

const isRefused = (address: string): boolean => refused.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const refusal = (address: string): StoreError =>
  new StoreError('InvalidArgument', {
    message: `The address ${address} is one of the link, or of no machine, where credentials may be had: give the address of the store, or allow it with --link-local.`,
  });

/** @param host an address, or a name, which is looked at when it is resolved. @throws StoreError InvalidArgument */
export function checkAddress(host: string, linkLocal: boolean): void {
  if (!linkLocal && isIP(host) !== 0 && isRefused(host)) throw refusal(host);
}

/** Resolves names for connections, and gives no address that is refused. */
export const guardedLookup: LookupFunction = (name, options, done) => {
  dns.lookup(name, { ...options, all: true }, (error, addresses) => {
    const bad = error ? undefined : addresses.find(({ address }) => isRefused(address));
    const failure =
      error ?? (bad && refusal(bad.address)) ?? (addresses.length === 0 ? new Error(`${name} has no address`) : null);
    if (failure) return done(failure, '', 0);
    if (options.all) return done(null, addresses);
    const [first] = addresses;
    return done(null, first?.address ?? '', first?.family ?? 0);
  });
};
