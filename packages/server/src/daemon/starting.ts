import type http from 'node:http';
import type { Socket } from 'node:net';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { emptyQueue } from './accepting.ts';
import type { TlsMaterial } from './tls/material.ts';
import { createSecureServer } from './tls/server.ts';

/*
 * What answers at the address of a server that is starting: 503 with `Retry-After`, and at `/-/health/ready` what the start is doing. A balancer then knows that the machine is
 * there, and a client tries again instead of taking the server for gone. It ends just before the listeners that serve begin: beside them it would refuse clients of a server that says it is ready.
 */

/** What a start is doing: words, or what gives them when somebody asks. */
export type Stage = string | (() => string);

export interface Starting {
  /** What is done from now on. */
  at(stage: Stage): void;
  /** A log whose lines are also what is answered, until the next stage. */
  log(log: StructuredLog): StructuredLog;
  /** Answers who came, and gives the port up. A second call waits for the first. */
  end(): Promise<void>;
}

export interface StartingOptions {
  readonly host: Host;
  /** Where clients will be served. */
  readonly address: { readonly host: string; readonly port: number };
  /** What HTTPS is spoken with. Absent: HTTP. */
  readonly tls: TlsMaterial | undefined;
}

/** What is answered to a request. @param doing what the start is doing */
export function startingAnswer(url: string, doing: string): { status: number; type: string; body: string } {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  const message = `The server is starting: ${doing}. Try again in a moment.`;
  if (path === '/-/health/live') return { status: 503, type: 'text/plain', body: 'starting\n' };
  if (path === '/-/health/ready') {
    const readiness = {
      ready: false,
      starting: true,
      reasons: [`the server is starting: ${doing}`],
      degraded: ['what lacks is not known before the server has started'],
    };
    return { status: 503, type: 'application/json', body: `${JSON.stringify(readiness)}\n` };
  }
  if (path.startsWith('/-/')) {
    const problem = {
      type: 'urn:dsom:error:ServiceUnavailable',
      title: 'Service Unavailable',
      status: 503,
      detail: message,
      code: 'ServiceUnavailable',
    };
    return { status: 503, type: 'application/problem+json', body: JSON.stringify(problem) };
  }
  const text = message.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return {
    status: 503,
    type: 'application/xml',
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ServiceUnavailable</Code><Message>${text}</Message></Error>`,
  };
}

function answer(request: http.IncomingMessage, response: http.ServerResponse, doing: string): void {
  const { status, type, body } = startingAnswer(request.url ?? '/', doing);
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    // The next try shall find the listeners that serve.
    connection: 'close',
    'retry-after': String(limits.startingRetrySeconds),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  // Of a body that is on its way some is read, or the client would never see the answer.
  request.resume();
}

/** A line of the log as a reason of a readiness. */
function wordsOf(event: string, fields: Readonly<Record<string, unknown>> = {}): string {
  const words = Object.entries(fields).flatMap(([name, value]) => {
    if (value instanceof Error) return [value.message];
    return ['string', 'number', 'bigint', 'boolean'].includes(typeof value) ? [`${name} ${value}`] : [];
  });
  return words.length === 0 ? event : `${event} (${words.join(', ')})`;
}

/** Listens at an address that was claimed. */
export async function openStarting({ host, address, tls }: StartingOptions): Promise<Starting> {
  const { createServer } = process.getBuiltinModule('node:http');
  let stage: Stage = 'it looks at its directories';
  // Lines of the log end as sentences do; these words stand inside of one.
  const doing = (): string => (typeof stage === 'string' ? stage : stage()).replace(/\.$/, '');
  const options = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.connectionCheckMs,
  };
  const server = tls
    ? createSecureServer(options, tls, (_, socket) => socket.destroy()).server
    : createServer(options).on('clientError', (_, socket) => socket.destroy());
  server.maxConnections = limits.connections;
  const handle = (request: http.IncomingMessage, response: http.ServerResponse) => answer(request, response, doing());
  server.on('request', handle).on('checkContinue', handle);
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, reusePort: true, backlog: limits.backlog }, () => resolve());
  });
  const close = async (): Promise<void> => {
    await emptyQueue(server, () => accepted, host.clock, host.timers);
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    const over = new AbortController();
    await Promise.race([closed, host.timers.sleep(limits.startingLastMs, over.signal)]);
    over.abort();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  let closing: Promise<void> | undefined;
  const telling = (log: StructuredLog): StructuredLog => {
    const line =
      (level: 'info' | 'warn' | 'error') =>
      (event: string, fields?: Readonly<Record<string, unknown>>): void => {
        stage = wordsOf(event, fields);
        log[level](event, fields);
      };
    return {
      ...log,
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      with: (fields) => telling(log.with(fields)),
    };
  };
  return {
    at(next) {
      stage = next;
    },
    log: telling,
    end: () => (closing ??= close()),
  };
}
