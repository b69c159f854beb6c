import { describe } from 'node:test';
import { describeCalls } from './calls.suite.ts';
import type { Hello } from './hello.ts';
import { describeLinks } from './links.suite.ts';
import type { Credentials, Transport } from './types.ts';

/** Between a peer and a listener: what a network can do to them. */
export interface Relay {
  readonly address: string;
  /** Breaks every connection. */
  cut(): void;
  /** Carries nothing any more, and says nothing of it. */
  freeze(): void;
  /** Bytes carried towards the listener. */
  readonly carried: number;
  close(): Promise<void>;
}

/** One product of the transport. */
export interface Product {
  open(options: { credentials: Credentials; onError(cause: unknown): void; hello?: Hello }): Transport;
  relay(address: string): Promise<Relay>;
}

/** What every product does. */
export function describeTransport(name: string, product: Product): void {
  describe(`transport: ${name}`, () => {
    describeCalls(product);
    describeLinks(product);
  });
}
