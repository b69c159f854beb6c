import type { RequestOptions } from 'node:http';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { isRefusal, RefusalError } from './failed.ts';
import type { Message } from './record.ts';
import type { Sender, TargetSecret } from './targets.ts';

// An import would load the whole of `fetch` (docs/decisions/0009).
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/**
 * A POST of each message. Every answer of 200 to 299 means that it was taken, and what else is below 500 but 408, 425 and 429 that it is refused. Redirects are not followed: an answer must not lead the server to addresses that the operator
 * has not given.
 */
export function webhookSender({ url: address, headers }: Pick<TargetSecret, 'url' | 'headers'>, host: Host): Sender {
  const url = new URL(address);
  const secure = url.protocol === 'https:';
  const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: limits.noticesInFlight });
  const auth =
    url.username === '' ? undefined : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const options: RequestOptions = { method: 'POST', agent, ...(auth !== undefined && { auth }) };
  const given = { ...Object.fromEntries(headers), 'content-type': 'application/json', 'user-agent': 'DSOM' };
  const target = new URL(url);
  target.username = '';
  target.password = '';

  const send = ({ id, body }: Message): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = (secure ? https : http).request(target, {
        ...options,
        headers: { ...given, 'content-length': body.length, 'x-dsom-event-id': id },
      });
      const fail = (message: string): void => {
        reject(new Error(message));
        request.destroy();
      };
      const cancel = host.timers.after(limits.noticeTryMs, () =>
        fail(`it did not answer within ${limits.noticeTryMs / 1000} s`),
      );
      request.once('error', (cause) => {
        cancel();
        reject(cause);
      });
      request.once('response', (response) => {
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > limits.targetAnswerBytes) fail('its answer does not end');
        });
        response.once('error', reject);
        response.once('end', () => {
          cancel();
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve();
          else {
            const message = `it answered with status ${status}`;
            reject(isRefusal(status) ? new RefusalError(message) : new Error(message));
          }
        });
      });
      request.end(body);
    });
  return {
    send,
    async close() {
      agent.destroy();
    },
  };
}
