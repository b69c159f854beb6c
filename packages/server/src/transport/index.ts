export { isNodeId, nodeOf, nodeUri } from './names.ts';
export { pack, unpack } from './pack.ts';
export { askToJoin, type JoinQuestion } from './tcp/ask.ts';
export { openTcpTransport, type TcpTransportOptions } from './tcp/transport.ts';
export type {
  Answer,
  CallOptions,
  Credentials,
  IncomingCall,
  Listener,
  ListenOptions,
  Peer,
  Serve,
  Transport,
} from './types.ts';
