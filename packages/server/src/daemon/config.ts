import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { limits } from '../limits.ts';

const bytes = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  if (typeof value === 'number') return value;
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?$/i.exec(value.trim());
  if (!match) {
    context.addIssue({ code: 'custom', message: `"${value}" is not a size: write it like 64MiB` });
    return z.NEVER;
  }
  const power = ['b', 'kib', 'mib', 'gib', 'tib'].indexOf((match[2] ?? 'B').toLowerCase());
  return Math.floor(Number(match[1]) * 1024 ** power);
});

const list = z
  .union([z.array(z.string()), z.string().transform((text) => text.split(',').map((part) => part.trim()))])
  .pipe(z.array(z.string().min(1)));

const flag = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0'])])
  .transform((value) => value === true || value === 'true' || value === '1');

/** Every setting: as a flag `--scrub-days 7`, as `DSOM_SCRUB_DAYS=7`, and as `scrubDays` in the configuration file. */
export const configSchema = z.strictObject({
  data: list.default(['dsom-data']).describe('data directories; the first one also holds metadata and keys'),
  address: z.string().default('127.0.0.1:9000').describe('host:port to serve on'),
  workers: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe('threads that serve requests; as many as cores when not given'),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .default('us-east-1')
    .describe('the region that clients sign for'),
  domain: list.default([]).describe('domains below which the first label is a bucket (virtual-host style)'),
  cacheBytes: bytes.default(limits.cacheBytes).describe('read cache of all workers together'),
  scrubDays: z.coerce
    .number()
    .positive()
    .max(365)
    .default(14)
    .describe('days for one pass of the scrub over all bytes'),
  scrubBytesPerSecond: bytes.default(32 * 1024 * 1024).describe('most bytes that the scrub reads per second'),
  corsOrigins: list.default([]).describe('browser origins that may call the native API'),
  metricsPublic: flag.default(true).describe('whether /-/metrics answers without credentials'),
  rootAccessKeyId: z
    .string()
    .min(3)
    .max(128)
    .regex(/^[\w.-]+$/)
    .optional()
    .describe('root access key id; generated on first start when not given'),
  rootSecretAccessKey: z
    .string()
    .min(8)
    .max(128)
    .optional()
    .describe('root secret access key; generated on first start when not given'),
});

export type Config = z.output<typeof configSchema>;
export type ConfigKey = keyof Config;

/** A setting is wrong; the message says which and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const keys = Object.keys(configSchema.shape) as ConfigKey[];
const environmentName = (key: string) => `DSOM_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Variables of the client commands, which are not settings of the server. */
const clientVariables = new Set([
  'DSOM_ENDPOINT',
  'DSOM_ACCESS_KEY_ID',
  'DSOM_SECRET_ACCESS_KEY',
  'DSOM_PROFILE',
  'DSOM_CONFIG',
  'DSOM_CONFIG_HOME',
  'DSOM_LIFECYCLE_DAY_SECONDS',
]);

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

function unknown(what: string, name: string, known: readonly string[]): ConfigError {
  const nearest = [...known].sort((a, b) => editDistance(a, name) - editDistance(b, name))[0];
  return new ConfigError(`unknown ${what} "${name}": did you mean "${nearest}"?`);
}

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`the configuration file ${file} cannot be read as JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ConfigError(`the configuration file ${file} must hold one JSON object`);
  for (const key of Object.keys(parsed))
    if (!keys.includes(key as ConfigKey)) throw unknown(`setting in ${file}`, key, keys);
  return parsed as Record<string, unknown>;
}

/**
 * The configuration from, in order of weight: flags, environment, file, defaults. Unknown names are refused with the nearest right one.
 * @param flags camelCase names; undefined ones count as not given
 */
export function loadConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const { config: file = environment['DSOM_CONFIG'], ...given } = flags;
  const merged: Record<string, unknown> = typeof file === 'string' ? readConfigFile(file) : {};
  const names = new Map(keys.map((key) => [environmentName(key), key]));
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DSOM_') || value === undefined || clientVariables.has(name)) continue;
    const key = names.get(name);
    if (!key) throw unknown('environment variable', name, [...names.keys()]);
    merged[key] = value;
  }
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (!keys.includes(key as ConfigKey)) throw unknown('option', key, keys);
    merged[key] = value;
  }
  const result = configSchema.safeParse(merged);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new ConfigError(`setting "${issue.path.join('.')}": ${issue.message}`);
  }
  if ((result.data.rootAccessKeyId === undefined) !== (result.data.rootSecretAccessKey === undefined))
    throw new ConfigError('give both DSOM_ROOT_ACCESS_KEY_ID and DSOM_ROOT_SECRET_ACCESS_KEY, or neither');
  return result.data;
}

/** Splits `host:port`, `[v6]:port`, `:port` or `port`. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:]*):)?(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new ConfigError(`"${address}" is not an address: write it like 127.0.0.1:9000`);
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, '') || '0.0.0.0', port };
}
