import { type Config, ConfigError, parseAddress } from '../config.ts';

/** An address to listen at, and none to connect to. */
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** Where this node can be reached: HTTP, other nodes, and the two ports of its member of etcd. */
export function addressesOf(config: Config, port: number) {
  const http = parseAddress(config.address);
  const between =
    config.clusterAddress === undefined ? { host: http.host, port: port + 1 } : parseAddress(config.clusterAddress);
  if (isWildcard(between.host))
    throw new ConfigError(
      'the other nodes cannot reach this one at the address of all interfaces: give one that they can as --cluster-address HOST:PORT',
    );
  const etcd = config.etcdPorts ?? between.port + 1;
  const at = (host: string, number: number): string => `${host.includes(':') ? `[${host}]` : host}:${number}`;
  return {
    api: at(isWildcard(http.host) ? between.host : http.host, port),
    between: at(between.host, between.port),
    etcdClients: at(between.host, etcd),
    etcdPeers: at(between.host, etcd + 1),
  };
}
