import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { StoreError } from '../errors.ts';
import { authority, credentialsOf, host } from './cluster.fixture.ts';
import type { Hello } from './hello.ts';
import type { Product } from './suite.ts';
import type { Credentials, Serve } from './types.ts';

export const MiB = 1024 * 1024;
export const empty = Buffer.alloc(0);
export const echo: Serve = async ({ head, body }) => ({ head, body: [body] });
export const sleep = (milliseconds: number) => host.timers.sleep(milliseconds);

export function refusal(code: string) {
  return (cause: unknown) => {
    assert.ok(cause instanceof StoreError, String(cause));
    assert.equal(cause.code, code, cause.message);
    return true;
  };
}

/** Nodes of a product, closed after each case. Call it inside of a suite. */
export function rig({ open }: Product) {
  const closers: (() => Promise<void>)[] = [];
  const errors: Error[] = [];
  const reported = () => errors.map(({ name }) => name);

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    errors.splice(0);
  });

  const transport = (credentials: Credentials, hello?: Hello) => {
    const one = open({ credentials, onError: (cause) => errors.push(cause as Error), ...(hello && { hello }) });
    closers.push(() => one.close());
    return one;
  };
  const node = (name: string) => transport(credentialsOf(authority, name));
  /** A node `server` that serves, and a peer of it for the node `client`. */
  const pair = async (serve: Serve) => {
    const server = node('server');
    const listener = await server.listen('127.0.0.1:0', serve);
    const client = node('client');
    return { server, client, listener, peer: client.peer('server', listener.address) };
  };
  return { closers, reported, transport, node, pair };
}
