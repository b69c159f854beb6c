import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { type Answer, type RequestOptions, send } from './request.ts';
import { type Server, startServer } from './server.ts';

/** The store under test, for one test file. */
export interface Target {
  readonly endpoint: string;
  readonly port: number;
  /** Waits until the server says this on its standard error; at once where it is somebody else's, whose output is not to be seen. */
  says(pattern: RegExp): Promise<unknown>;
  /** Sends a signed request. */
  send(method: string, path: string, options?: RequestOptions): Promise<Answer>;
}

/**
 * Declares the store that this file tests: the one at `DSOM_TEST_ENDPOINT` (with the keys of `server.ts`), else a server of its own that is
 * started before the tests and stopped after them.
 * @param prepare runs once the store answers, before the first test
 */
export function target(prepare?: (store: Target) => Promise<unknown>): Target {
  let endpoint = process.env['DSOM_TEST_ENDPOINT'] ?? '';
  let own: Server | undefined;
  let folder: string | undefined;
  before(async () => {
    if (endpoint === '') {
      folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-conformance-'));
      own = await startServer([folder]);
      endpoint = own.endpoint;
    }
    await prepare?.(store);
  });
  after(async () => {
    await own?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });
  const store: Target = {
    get endpoint() {
      return endpoint;
    },
    get port() {
      return Number(new URL(endpoint).port);
    },
    says: async (pattern) => own?.says(pattern),
    send: (method, where, options) => send(endpoint, method, where, options),
  };
  return store;
}
