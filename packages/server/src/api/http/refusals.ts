import type { IncomingMessage } from 'node:http';
import type { ErrorCode, StoreError } from '../../errors.ts';
import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Exchange } from './exchange.ts';

/*
 * Lines of the server's log about requests that were refused: which, of whom, with which code, and why. Whoever runs the server finds by the
 * id in an answer what was wrong with the request, also where the client shows nothing of the answer.
 */

type Write = (event: string, fields: Readonly<Record<string, unknown>>) => void;

/** What it needs of the log. */
export interface RefusalLog {
  readonly info: Write;
  readonly debug: Write;
  /** False: the line would not be written, so that nothing is gathered for it. */
  enabled(level: 'info' | 'debug'): boolean;
}

/** Answers to honest questions (is it there? has it changed?): lines of them say nothing is wrong, so they are for debugging. */
const ordinary: ReadonlySet<number> = new Set([304, 404, 412]);

const credential = /Credential=([^/,\s]{1,128})\//;
const parameter = /[?&]X-Amz-Credential=([^/&%]{1,128})(?:%2F|\/)/i;
const bearer = /^Bearer ([^.\s]{1,128})\./;

/** The access key id that a request names; whether it is its own, only the signature tells. Secrets are never part of it. */
function claimedKey({ headers: { authorization }, url = '' }: IncomingMessage): string | undefined {
  const found =
    authorization === undefined ? parameter.exec(url) : (credential.exec(authorization) ?? bearer.exec(authorization));
  return found?.[1];
}

/** Details of errors that say where to look; others repeat what the client sent, which may be a secret. */
const tellingDetails = ['ArgumentName', 'Header', 'Condition', 'Element', 'Operation', 'ResourceType'] as const;

interface Window {
  second: number;
  lines: number;
  left: number;
}

/**
 * Writes the line `request refused` for each, at most `limits.refusalLines` a second of one code; how many more there were is in the next line.
 */
export class Refusals {
  readonly #log: RefusalLog;
  readonly #clock: Clock;
  /** By code: a flood of one hides no other. Codes are a closed set, so this does not grow. */
  readonly #windows = new Map<ErrorCode, Window>();

  constructor(log: RefusalLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param error why; its cause is logged as well, which no client sees */
  note(exchange: Exchange, error: StoreError): void {
    const level = ordinary.has(error.http) ? 'debug' : 'info';
    if (!this.#log.enabled(level)) return;
    const leftOut = this.#admit(error.code);
    if (leftOut === undefined) return;
    const { request, id, operation, connection } = exchange;
    const { method, url = '' } = request;
    const end = url.indexOf('?');
    const details = tellingDetails.flatMap((name) =>
      error.detail[name] === undefined ? [] : [[name, error.detail[name]]],
    );
    this.#log[level]('request refused', {
      operation,
      requestId: id,
      status: error.http,
      code: error.code,
      reason: error.message,
      ...(details.length > 0 && { detail: Object.fromEntries(details) }),
      method,
      // Without its query, where signatures are.
      path: (end < 0 ? url : url.slice(0, end)).slice(0, limits.refusedPathChars),
      accessKeyId: claimedKey(request),
      address: connection.address,
      ...(error.cause !== undefined && { cause: error.cause }),
      ...(leftOut > 0 && { leftOut }),
    });
  }

  /** Bytes that are no HTTP request, so that little is known of them. */
  noteMalformed(error: StoreError, address: string | undefined): void {
    if (!this.#log.enabled('info')) return;
    const leftOut = this.#admit(error.code);
    if (leftOut === undefined) return;
    const { http: status, code, message: reason, cause } = error;
    const fields = { operation: 'Unknown', status, code, reason, address, cause };
    this.#log.info('request refused', { ...fields, ...(leftOut > 0 && { leftOut }) });
  }

  /** How many lines of the code were left out before this one; undefined when this one is left out too. */
  #admit(code: ErrorCode): number | undefined {
    const second = Math.floor(this.#clock.monotonic() / 1000);
    let window = this.#windows.get(code);
    if (!window) this.#windows.set(code, (window = { second, lines: 0, left: 0 }));
    if (window.second !== second) {
      window.second = second;
      window.lines = 0;
    }
    if (window.lines >= limits.refusalLines) {
      window.left++;
      return undefined;
    }
    window.lines++;
    const { left } = window;
    window.left = 0;
    return left;
  }
}
