import { Readable, Writable } from 'node:stream';
import type { Terminal } from './terminal.ts';

/** What a command wrote. */
export interface Said {
  stdout: string;
  stderr: string;
}

/** A terminal that keeps what is written to it. */
export function keepingTerminal(
  environment: Readonly<Record<string, string>> = { HOME: '/nowhere' },
  input?: string,
): { readonly said: Said; readonly terminal: Terminal } {
  const said: Said = { stdout: '', stderr: '' };
  const into = (name: keyof Said) =>
    new Writable({
      write(chunk: Buffer, _, done) {
        said[name] += chunk.toString();
        done();
      },
    });
  const stdin = Readable.from(input === undefined ? [] : [Buffer.from(input)], { objectMode: false });
  return { said, terminal: { environment, stdin, stdout: into('stdout'), stderr: into('stderr') } };
}
