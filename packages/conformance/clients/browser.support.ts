/*
 * A real browser, driven over its DevTools protocol: one WebSocket, commands with a number and answers with the same one.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { atEnd } from '../src/ending.ts';
import { patienceMs } from '../src/server.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser to test with: DSOM_BROWSER, else the first of the usual names on the path; undefined when there is none. */
export function findBrowser(): string | undefined {
  const named = process.env['DSOM_BROWSER'];
  if (named) return named;
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

interface Message {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

interface Evaluation {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

export interface Page {
  /** Runs an expression in the page and waits for its promise; the value must be JSON. Rejects with what the page threw. */
  evaluate(expression: string): Promise<unknown>;
}

export interface Browser {
  /** Opens a page in a fresh tab and waits until it has loaded. */
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

/**
 * Starts a browser without a window, with a profile of its own and DevTools on a port of its own on the loopback.
 * @param profile an empty folder
 */
export async function startBrowser(program: string, profile: string): Promise<Browser> {
  const flags = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`, '--no-first-run'];
  // In a container there is neither a sandbox for root nor a large /dev/shm; nothing but pages of these tests is opened.
  const child = spawn(program, [...flags, '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const killLeftover = () => child.kill('SIGKILL');
  const hasEnded = atEnd(killLeftover);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-65_536);
      const found = /^DevTools listening on (ws:\S+)$/m.exec(said);
      if (found) resolve(found[1] as string);
    });
    child.once('error', reject);
    void ended.then(() => reject(new Error(`${program} ended at start:\n${said}`)));
  });

  const socket = new WebSocket(address);
  const waiting = new Map<number, { resolve(value: Record<string, unknown>): void; reject(error: Error): void }>();
  let last = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as Message;
    if (id === undefined) return;
    const call = waiting.get(id);
    waiting.delete(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result ?? {});
  });
  socket.addEventListener('close', () => {
    for (const call of waiting.values()) call.reject(new Error('the browser is gone'));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  const send = (method: string, params: object = {}, sessionId?: string) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params, ...(sessionId && { sessionId }) }));
    });

  return {
    async open(url) {
      const { targetId } = await send('Target.createTarget', { url });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      const evaluate = async (expression: string) => {
        const params = { expression, awaitPromise: true, returnByValue: true };
        const answer = (await send('Runtime.evaluate', params, sessionId as string)) as unknown as Evaluation;
        const thrown = answer.exceptionDetails;
        if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
        return answer.result.value;
      };
      const loaded = `new Promise((resolve) => document.readyState === 'complete' && location.href !== 'about:blank' ? resolve() : addEventListener('load', () => resolve()))`;
      // The tab is there before its page: what runs in the blank one is lost with it.
      for (;;)
        try {
          await evaluate(loaded);
          if ((await evaluate('location.href')) === url) return { evaluate };
        } catch (cause) {
          if (!/navigated|context|destroyed/i.test((cause as Error).message)) throw cause;
        }
    },
    async close() {
      await send('Browser.close').catch(() => {});
      const timer = setTimeout(killLeftover, patienceMs);
      await ended;
      clearTimeout(timer);
      hasEnded();
      socket.close();
    },
  };
}
