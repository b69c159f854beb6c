/*
 * A store in memory that answers the requests of this SDK as a server does, for tests: quick, inspectable, and open to faults through `intercept`.
 * It knows nothing of signatures but the access key id, and keeps only what the tests of the SDK and of the command look at.
 */
import { admin, rest } from './memory-rest.ts';
import { s3 } from './memory-s3.ts';
import { json, MemoryState, Refusal, type StoreRequest } from './memory-state.ts';

export class MemoryStore extends MemoryState {
  /** Every request, in order. */
  readonly requests: StoreRequest[] = [];
  /** Answers, or throws, in place of the store; `undefined` lets the request through. */
  intercept: ((request: StoreRequest) => Response | undefined | Promise<Response | undefined>) | undefined;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(url);
    const body = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    const segments = pathname.slice(1).split('/').map(decodeURIComponent);
    const request: StoreRequest = {
      method: init.method ?? 'GET',
      path: pathname,
      segments,
      query: searchParams,
      headers: new Headers(init.headers),
      body,
    };
    this.requests.push(request);
    init.signal?.throwIfAborted();
    const intercepted = await this.intercept?.(request);
    init.signal?.throwIfAborted();
    if (intercepted) return intercepted;
    try {
      return this.#answer(request);
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      const { status, code, message } = cause;
      if (request.method === 'HEAD' || status === 304) return new Response(null, { status });
      return segments[0] === '-'
        ? json({ type: 'about:blank', title: code, status, detail: message, code, requestId: 'r1' }, status)
        : new Response(`<Error><Code>${code}</Code><Message>${message}</Message><RequestId>r1</RequestId></Error>`, {
            status,
          });
    }
  };

  #answer(request: StoreRequest): Response {
    const { segments } = request;
    if (segments[0] === '-' && segments[1] === 'health')
      return new Response('ok', { headers: { date: new Date(this.now()).toUTCString() } });
    const id = /Credential=([^/]+)/.exec(request.headers.get('authorization') ?? '')?.[1];
    if (id !== (this.options.accessKeyId ?? 'test')) throw new Refusal(403, 'InvalidAccessKeyId');
    if (segments[0] !== '-') return s3(this, request);
    return segments[1] === 'admin' ? admin(this, request) : rest(this, request);
  }
}
