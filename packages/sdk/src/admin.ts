import type { Json } from './description.ts';
import { type CallOptions, readJson, type Transport } from './request.ts';

/** One line of a check: its `type` says which fields follow. */
export type FsckLine = Json & { readonly type?: string };

export interface Health {
  readonly ok: boolean;
  readonly status: number;
  /** What the server says about itself. */
  readonly detail: string;
  /** The server's clock minus ours, in ms, to about a second; undefined when it did not tell. */
  readonly skewMs: number | undefined;
}

const scrubPath = '/-/admin/v1/scrub';

/** What an operator does: `client.admin`. */
export class Admin {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Needs no credentials. A server that is not ready answers, too. */
  health(probe: 'live' | 'ready', options: CallOptions = {}): Promise<Health> {
    const { now } = this.#transport.options.edges;
    return this.#transport.send({
      ...options,
      method: 'GET',
      path: `/-/health/${probe}`,
      unsigned: true,
      accept: [500, 503],
      async read(response) {
        const date = Date.parse(response.headers.get('date') ?? '');
        const skewMs = Number.isNaN(date) ? undefined : date - now();
        return { ok: response.ok, status: response.status, detail: (await response.text()).trim(), skewMs };
      },
    });
  }

  status(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: '/-/admin/v1/status', read: readJson<Json> });
  }

  scrub(action: 'start' | 'stop', options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path: scrubPath,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action }),
      read: readJson<Json>,
    });
  }

  scrubStatus(options: CallOptions = {}): Promise<Json> {
    return this.#transport.send({ ...options, method: 'GET', path: scrubPath, read: readJson<Json> });
  }

  /** Cross-checks metadata against fragments; gives progress and findings while it runs. */
  async *fsck(options: CallOptions = {}): AsyncGenerator<FsckLine> {
    const { body, exchange } = await this.#transport.send({
      ...options,
      method: 'POST',
      path: '/-/admin/v1/fsck',
      repeatable: false,
      read: (response, keep) => ({ body: response.body, exchange: keep() }),
    });
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    try {
      for (;;) {
        const next = await reader?.read();
        const lines = `${rest}${next?.value ?? ''}`.split('\n');
        rest = next?.done !== false ? '' : lines.pop()!;
        for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as FsckLine;
        if (next?.done !== false) return;
      }
    } finally {
      exchange.abort(undefined);
      exchange.close();
    }
  }
}
