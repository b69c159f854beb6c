import type { RestCall } from '../route.ts';

/** Answers with the lines of something that goes on, one JSON object each, until it is over or the client has gone. */
export async function sendNews(call: RestCall, method: string, id: unknown): Promise<void> {
  const { admin, host } = call.service;
  const headers = [...call.headers(), 'Content-Type', 'application/x-ndjson'];
  const { response } = call.exchange;
  response.writeHead(200, headers);
  // One line now and then, so that the client sees progress and the server sees a client that went away.
  for (let done = false; !done && !response.destroyed; ) {
    await host.timers.sleep(200);
    const news = (await admin(method, id)) as { readonly lines: readonly unknown[]; readonly done: boolean };
    for (const line of news.lines) response.write(`${JSON.stringify(line)}\n`);
    done = news.done;
  }
  call.exchange.finish(200);
}
