import { limits } from '../limits.ts';
import { isRefusal, RefusalError } from './failed.ts';
import type { Message } from './record.ts';
import type { Sender, TargetSecret } from './targets.ts';

/*
 * Messages are published to JetStream, which acknowledges what a stream has taken. The id of a message goes with it, so that a stream drops what it has already had within its
 * window of duplicates. The clients (https://github.com/nats-io/nats.js) are loaded when the first target of this kind is spoken to: no store pays for them that has none.
 */

interface Connection {
  close(): Promise<void>;
  isClosed(): boolean;
}

interface Transport {
  connect(options: {
    readonly servers: string;
    readonly user?: string;
    readonly pass?: string;
    readonly token?: string;
    readonly tls?: object;
    readonly timeout: number;
    readonly name: string;
    readonly maxReconnectAttempts: number;
  }): Promise<Connection>;
}

interface JetStream {
  jetstream(connection: Connection): {
    publish(
      subject: string,
      payload: Uint8Array,
      options: { readonly msgID: string; readonly timeout: number },
    ): Promise<unknown>;
  };
}

const transportPackage = '@nats-io/transport-node';
const jetstreamPackage = '@nats-io/jetstream';

/** What a failed publication says of itself: an answer of JetStream has a status like those of HTTP. */
interface PublishError extends Error {
  readonly status?: unknown;
}

/** A stream has refused it, or it is larger than what the server of NATS takes. */
const isUnwanted = ({ name, status }: PublishError): boolean =>
  name === 'JetStreamApiError' ? typeof status === 'number' && isRefusal(status) : name === 'InvalidArgumentError';

async function loaded<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module;
  } catch (cause) {
    throw new Error(`the package ${name} is not installed: run npm install in the directory of the server`, { cause });
  }
}

export function natsSender(secret: TargetSecret): Sender {
  const { url, subject = '', token } = secret;
  const { protocol, host, username, password } = new URL(url);
  let open: Promise<Connection> | undefined;

  const connect = async (): Promise<Connection> => {
    const transport = await loaded<Transport>(transportPackage);
    return transport.connect({
      servers: host,
      ...(username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
      ...(token !== undefined && { token }),
      ...(protocol === 'tls:' && { tls: {} }),
      timeout: limits.noticeTryMs,
      name: 'dsom',
      // Whoever sends tries again, and connects anew.
      maxReconnectAttempts: 0,
    });
  };
  const connected = async (): Promise<Connection> => {
    const known = await open?.catch(() => undefined);
    if (known && !known.isClosed()) return known;
    open = connect();
    return open;
  };
  return {
    async send({ id, body }: Message) {
      const connection = await connected();
      const { jetstream } = await loaded<JetStream>(jetstreamPackage);
      await jetstream(connection)
        .publish(subject, body, { msgID: id, timeout: limits.noticeTryMs })
        .catch((cause: PublishError) => {
          throw isUnwanted(cause) ? new RefusalError(`it answered: ${cause.message}`, { cause }) : cause;
        });
    },
    async close() {
      const known = await open?.catch(() => undefined);
      await known?.close();
    },
  };
}
