import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RestOptions } from './handler.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The native API, loaded when it is first asked for: its shapes and what checks them are a third of all modules, and a server that is only spoken to
 * in S3 needs none of them. The first request waits for it.
 */
export function createRestHandler(options: RestOptions): Handler {
  let handle: Handler | undefined;
  let loading: Promise<Handler> | undefined;
  return (request, response) => {
    if (handle) return handle(request, response);
    loading ??= import('./handler.ts').then((module) => (handle = module.createRestHandler(options)));
    loading.then(
      (loaded) => loaded(request, response),
      (cause: unknown) => {
        options.unexpected(cause, 'load the native API');
        response.destroy();
      },
    );
  };
}
