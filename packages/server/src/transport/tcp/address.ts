import type { AddressInfo } from 'node:net';

/** @throws RangeError when it is not `host:port` or `[IPv6]:port` */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(address);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) throw new RangeError(`the address ${address} is not HOST:PORT`);
  return { host: (found[1] ?? found[2]) as string, port };
}

export function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
