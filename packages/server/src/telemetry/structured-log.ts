import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';
import { redact } from './redact.ts';

/** By severity; `silent` writes nothing. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
type Severity = Exclude<LogLevel, 'silent'>;

export interface LogOptions {
  readonly clock: Clock;
  /** Takes one line, with its line feed. */
  readonly write: (line: string) => void;
  /** The least severity that is written; absent: info. */
  readonly level?: LogLevel;
  /** Fields of every line. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Exact values that must never appear in a line. */
  readonly secrets?: readonly string[];
}

type Write = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Writes one JSON object per line: `time` (UTC), `level`, `event`, and the fields, without secrets. */
export interface StructuredLog extends Readonly<Record<Severity, Write>> {
  /** The same log with more fields on every line. */
  with(fields: Readonly<Record<string, unknown>>): StructuredLog;
  /** False: do not even gather the fields. */
  enabled(level: Severity): boolean;
}

/** Never throws: what cannot be written is not worth a failed request. */
export function createLog(options: LogOptions): StructuredLog {
  const least = logLevels.indexOf(options.level ?? 'info');
  const secrets = options.secrets ?? [];
  const enabled = (level: Severity): boolean => logLevels.indexOf(level) >= least;
  const writer =
    (level: Severity): Write =>
    (event, fields) => {
      if (!enabled(level)) return;
      try {
        options.write(`${line(options, level, event, fields, secrets)}\n`);
      } catch {
        // Nowhere is left to say so.
      }
    };
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    enabled,
    with: (fields) => createLog({ ...options, fields: { ...options.fields, ...fields } }),
  };
}

function line(
  options: LogOptions,
  level: Severity,
  event: string,
  fields: Readonly<Record<string, unknown>> | undefined,
  secrets: readonly string[],
): string {
  const head = { time: new Date(options.clock.now()).toISOString(), level, event: redact(event, secrets) };
  const clean = redact({ ...options.fields, ...fields }, secrets) as Record<string, unknown>;
  // Time, level and event stand first, and no field can take their place.
  const text = JSON.stringify({ ...head, ...clean, ...head });
  if (text.length <= limits.logLineChars) return text;
  const names = Object.keys(clean).map((name) => name.slice(0, 64));
  return JSON.stringify({ ...head, truncated: true, fields: names });
}
