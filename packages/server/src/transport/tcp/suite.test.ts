import { host } from '../cluster.fixture.ts';
import { openTcpTransport } from '../index.ts';
import { describeTransport } from '../suite.ts';
import { tcpRelay } from './relay.fixture.ts';

describeTransport('tcp', {
  open: (options) => openTcpTransport({ ...options, host }),
  relay: tcpRelay,
});
