/*
 * What every client command is given: the connection, where to write, and how failures are counted into the exit status.
 *
 * Results go to standard output, one line each (with --json one JSON object each); everything else (progress, warnings, failures) goes to
 * standard error. One failed item does not stop the others, unless they would all fail the same way.
 */
import { DsomClient, DsomError, platformEdges } from '@dsom/sdk';
import { type Host, realHost } from '../host/index.ts';
import type { RemoteAddress } from './address.ts';
import { CommandError, type ExitCode, exitCode, isHopeless, messageOf, UsageError, verdictOf } from './exit.ts';
import { printable } from './format.ts';
import { type FoundConnection, findConnection } from './profiles.ts';
import type { Terminal } from './terminal.ts';
import { trust } from './trust.ts';

/** Options that every client command has. */
export interface CommonOptions {
  readonly profile?: string;
  readonly endpoint?: string;
  readonly ca?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** How long one question to a server may take that may be in trouble. */
const impatientMs = 5000;

export class Context {
  readonly options: CommonOptions;
  readonly terminal: Terminal;
  readonly host: Host = realHost();
  readonly #stop = new AbortController();
  readonly #clients = new Map<string | undefined, DsomClient>();
  #succeeded = 0;
  readonly #failures: ExitCode[] = [];
  /** Clears what stands on the terminal's last line before something else is written. */
  beforeNote: () => void = () => {};

  constructor(options: CommonOptions, terminal: Terminal) {
    this.options = options;
    this.terminal = terminal;
  }

  /** Aborts when the user interrupts. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  interrupt(): void {
    this.#stop.abort(new CommandError(exitCode.interrupted, 'interrupted'));
  }

  /** The client of the command's endpoint, or of another profile's. */
  client(address?: Pick<RemoteAddress, 'profile'>): DsomClient {
    const profile = address?.profile;
    let client = this.#clients.get(profile);
    if (!client) {
      client = this.#newClient(profile);
      this.#clients.set(profile, client);
    }
    return client;
  }

  /** A client that asks once, waits some seconds, and takes what the server knew last: for looking at one of which something is wrong. */
  impatientClient(): DsomClient {
    return this.#newClient(undefined, { attempts: 1, timeoutMs: impatientMs }).session({ consistency: 'eventual' });
  }

  #newClient(
    profile: string | undefined,
    more: { readonly attempts?: number; readonly timeoutMs?: number } = {},
  ): DsomClient {
    const { from, ...connection } = this.connection(profile);
    try {
      return new DsomClient({ ...connection, ...more });
    } catch (cause) {
      throw new CommandError(exitCode.usage, `${(cause as Error).message} (from ${from})`);
    }
  }

  /** Endpoint and keys of the command, or of another profile; its authorities are trusted from now on. */
  connection(profile?: string): FoundConnection {
    const { environment } = this.terminal;
    const found =
      profile === undefined
        ? findConnection(environment, this.options.profile, this.options)
        : findConnection(environment, profile, {});
    if (found.ca !== undefined) trust(found.ca);
    return found;
  }

  /** True where a person looks on. */
  get interactive(): boolean {
    return this.terminal.stderr.isTTY === true && this.options.json !== true && this.options.quiet !== true;
  }

  /** One result; of `undefined` there is nothing to say as JSON. Resolves when the reader can take more. */
  async result(json: unknown, text?: string | readonly string[]): Promise<void> {
    if (this.options.json) return json === undefined ? undefined : this.write(`${JSON.stringify(json)}\n`);
    if (text === undefined) return;
    const lines = typeof text === 'string' ? [text] : text;
    if (lines.length > 0) await this.write(`${lines.join('\n')}\n`);
  }

  /** Raw bytes or text to standard output. */
  async write(chunk: string | Uint8Array): Promise<void> {
    const { stdout } = this.terminal;
    if (stdout.write(chunk)) return;
    await new Promise<void>((resolve) => stdout.once('drain', () => resolve()));
  }

  /** Text on the terminal's last line, in the place of the one before, until something else is written; none where nobody looks on. */
  lastLine(line: string): void {
    if (!this.interactive) return;
    this.beforeNote();
    this.terminal.stderr.write(line);
    this.beforeNote = () => {
      this.terminal.stderr.write('\r\u001b[2K');
      this.beforeNote = () => {};
    };
  }

  /** A remark to the person who looks on; dropped with --json and --quiet. */
  note(text: string): void {
    if (this.options.json || this.options.quiet) return;
    this.beforeNote();
    this.terminal.stderr.write(`${text}\n`);
  }

  /** A remark that matters also when nobody looks on. */
  warn(text: string): void {
    this.beforeNote();
    this.terminal.stderr.write(this.options.json ? `${JSON.stringify({ warning: text })}\n` : `warning: ${text}\n`);
  }

  succeed(): void {
    this.#succeeded++;
  }

  /**
   * Counts and tells the failure of one item, or of what the command line does not name.
   * @throws the cause, when the other items would fail the same way or the user stopped the command
   */
  fail(item: string | undefined, cause: unknown): void {
    if (this.signal.aborted || isHopeless(cause)) throw cause;
    this.#failures.push(verdictOf(cause).exit);
    this.report(cause, item);
  }

  /** Writes a failure to standard error. */
  report(cause: unknown, item?: string): void {
    const { exit, advice } = verdictOf(cause);
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.beforeNote();
    if (this.options.json) {
      const details =
        error instanceof DsomError ? { code: error.code, status: error.status, requestId: error.requestId } : {};
      this.terminal.stderr.write(
        `${JSON.stringify({ error: messageOf(error), ...(item !== undefined && { item }), ...details, exit, advice })}\n`,
      );
      return;
    }
    const id =
      error instanceof DsomError && error.requestId !== undefined && error.status >= 500
        ? ` (request ${error.requestId})`
        : '';
    const unexpected =
      exit === exitCode.failed &&
      !(error instanceof DsomError) &&
      !('code' in error) &&
      !(error instanceof CommandError);
    const what = unexpected ? (error.stack ?? error.message) : messageOf(error).replace(/\s*\n\s*/g, ' ');
    this.terminal.stderr.write(`dsom: ${item === undefined ? '' : `${printable(item)}: `}${what}${id}\n`);
    if (advice !== undefined) this.terminal.stderr.write(`      ${advice}\n`);
    if (error instanceof UsageError) this.terminal.stderr.write('      `dsom help COMMAND` tells how to write it.\n');
  }

  /** The exit status of a command that came to its end. */
  get status(): ExitCode {
    const [first] = this.#failures;
    if (first === undefined) return exitCode.ok;
    return this.#succeeded === 0 && this.#failures.every((one) => one === first) ? first : exitCode.failed;
  }

  /** Waits; an interrupt ends it with its reason. */
  sleep(milliseconds: number): Promise<void> {
    return platformEdges.sleep(milliseconds, this.signal);
  }
}
