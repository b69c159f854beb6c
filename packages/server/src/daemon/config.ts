import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { limits } from '../limits.ts';
import { logLevels } from '../telemetry/index.ts';

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

const whole = (minimum: number, maximum: number) => {
  const error = `must be a whole number from ${minimum} to ${maximum}`;
  return z.coerce.number({ error }).int({ error }).min(minimum, { error }).max(maximum, { error });
};
const text = z.string({ error: 'must be a text' });
const texts = 'must be a text, or a list of texts that are not empty';

const list = z
  .union([z.array(z.string()), z.string().transform((text) => text.split(',').map((part) => part.trim()))], {
    error: texts,
  })
  .pipe(z.array(z.string().min(1, { error: texts })));

const origin = z
  .string()
  .refine((text) => text === '*' || (URL.canParse(text) && new URL(text).origin === text && !text.includes('*')), {
    error: (issue) =>
      `"${issue.input}" is not an origin: write it like https://app.example or http://127.0.0.1:8080, or * for every one`,
  });

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const websiteName = z.string().regex(new RegExp(`^${label}(?:\\.${label})*$`), {
  error: (issue) => `"${issue.input}" is not a name: write it like website.example.com, in lower case`,
});
const websiteHostName = z.string().regex(new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`), {
  error: (issue) => `"${issue.input}" is not a name: write it like www.example.com or *.example.com, in lower case`,
});

const proxyRange = z.string().refine((text) => isNetwork(text), {
  error: (issue) => `"${issue.input}" is no address and no network: write it like 10.0.0.7, 10.0.0.0/8 or fd00::/8`,
});

/** An IPv4 address inside IPv6 is written as what it is. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, more] = text.split('/');
  const width = isIP(address) === 4 ? 32 : isIP(address) === 6 && !/^::ffff:/i.test(address) ? 128 : -1;
  return more === undefined && (prefix === undefined ? width > 0 : /^\d{1,3}$/.test(prefix) && Number(prefix) <= width);
}

const days = 'must be a number of days above 0, and 365 at most';

const flag = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0'])], { error: 'must be true or false' })
  .transform((value) => value === true || value === 'true' || value === '1');

/** What a node of a cluster can do. */
export const roleNames = ['gateway', 'metadata', 'storage'] as const;
export type Role = (typeof roleNames)[number];

/** Every setting: as a flag `--scrub-days 7`, as `DSOM_SCRUB_DAYS=7`, and as `scrubDays` in the configuration file. */
export const configSchema = z.strictObject({
  data: list.default(['dsom-data']).describe('data directories; the first one also holds metadata and keys'),
  address: text.default('127.0.0.1:9000').describe('host:port to serve on'),
  workers: whole(1, 64).optional().describe('threads that serve requests; as many as cores when not given'),
  region: text
    .regex(/^[a-z0-9-]{1,32}$/, { error: 'must be 1 to 32 lower-case letters, digits and hyphens' })
    .default('us-east-1')
    .describe('the region that clients sign for'),
  domain: list.default([]).describe('domains below which the first label is a bucket (virtual-host style)'),
  websiteDomain: list
    .pipe(z.array(websiteName).max(limits.websiteNames))
    .default([])
    .describe('domains below which the first label is a bucket that is read as a website'),
  websiteHost: list
    .pipe(z.array(websiteHostName).max(limits.websiteNames))
    .default([])
    .describe('hosts that are read as websites, each from the bucket of the same name; *.example.com for all below'),
  encryption: z
    .enum(['on', 'off'], { error: 'must be on or off' })
    .default('on')
    .describe('whether new objects are encrypted; what is there already is read either way'),
  cacheBytes: bytes.default(limits.cacheBytes).describe('read cache of all workers together'),
  scrubDays: z.coerce
    .number({ error: days })
    .positive({ error: days })
    .max(365, { error: days })
    .default(14)
    .describe('days for one pass of the scrub over all bytes'),
  scrubBytesPerSecond: bytes.default(32 * 1024 * 1024).describe('most bytes that the scrub reads per second'),
  lifecycleDaySeconds: whole(1, 86_400)
    .optional()
    .describe('length of a day of lifecycles in seconds, shortened for tests; 24 hours when not given'),
  accessLogSeconds: whole(1, 86_400)
    .default(limits.accessLogSeconds)
    .describe('longest time that lines of access logs wait before they are written to their bucket'),
  allowOrigin: list
    .pipe(z.array(origin).max(limits.allowedOrigins))
    .default([])
    .describe('origins of web pages that may call, such as https://app.example; * for every one'),
  tlsCertificate: list
    .pipe(z.array(z.string()).max(limits.tlsCertificates))
    .default([])
    .describe('file (PEM) with the certificate that clients are shown, and those up to its authority; speaks HTTPS'),
  tlsKey: list
    .pipe(z.array(z.string()).max(limits.tlsCertificates))
    .default([])
    .describe('file (PEM) with the private key of that certificate; of several, in the same order'),
  tlsClientAuthority: text
    .optional()
    .describe('file (PEM) with the authorities of certificates of devices, which policies may ask for'),
  tlsMin: z
    .enum(['1.2', '1.3'], { error: 'must be 1.2 or 1.3' })
    .default('1.2')
    .describe('least version of TLS that is spoken with clients'),
  tlsRedirectAddress: text
    .optional()
    .describe('host:port for plain HTTP, where readers are sent on to HTTPS and everything else is refused'),
  trustedProxy: list
    .pipe(z.array(proxyRange).max(limits.trustedProxies))
    .default([])
    .describe('addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count'),
  customerKeysOverHttp: flag
    .default(false)
    .describe(
      'whether keys of customers (SSE-C) are taken without TLS from other machines: for a proxy that has them from TLS',
    ),
  logLevel: z
    .enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` })
    .default('info')
    .describe('least severity of the lines that the server logs; debug has every refused request'),
  metricsPublic: flag.default(true).describe('whether /-/metrics answers without credentials'),
  clusterName: text
    .regex(/^[a-z0-9-]{1,32}$/, { error: 'must be 1 to 32 lower-case letters, digits and hyphens' })
    .optional()
    .describe('makes this store the first node of a new cluster of that name'),
  join: text.optional().describe('line of `dsom cluster invite`: joins that cluster with this directory'),
  clusterAddress: text
    .optional()
    .describe('host:port for the other nodes; that of --address with the next port when not given'),
  etcd: list
    .pipe(z.array(z.url({ error: 'must be URLs like http://10.0.0.1:2379' })).max(limits.etcdEndpoints))
    .default([])
    .describe('client URLs of an etcd to use; when not given, the node runs a member of its own'),
  etcdAuthority: text
    .optional()
    .describe('file (PEM) with the authorities that certificates of an etcd at https:// URLs are from'),
  etcdCertificate: text.optional().describe('file (PEM) with the certificate that is shown to such an etcd'),
  etcdKey: text.optional().describe('file (PEM) with the private key of that certificate'),
  etcdPorts: whole(1, 65534)
    .optional()
    .describe(
      'first of two ports of the own etcd member; the second one behind that of --cluster-address when not given',
    ),
  etcdAnyVersion: flag.default(false).describe('accepts an etcd that is known to give stale reads; for tests'),
  objectShards: whole(0, limits.objectShards)
    .default(limits.objectShardsAtFirst)
    .describe('shards of the metadata of a new cluster that hold objects; without effect on one that exists'),
  roles: list
    .pipe(z.array(z.enum(roleNames, { error: `must be some of ${roleNames.join(', ')}` })).min(1))
    .default([...roleNames])
    .describe('what this node of a cluster does: serve clients, own metadata, hold bytes'),
  zone: text
    .regex(/^[\w.-]{0,64}$/, { error: 'must be up to 64 letters, digits, dots, hyphens and underscores' })
    .optional()
    .describe('where this node stands: copies go to different zones where there are enough'),
  rootAccessKeyId: text
    .regex(/^[\w.-]{3,128}$/, { error: 'must be 3 to 128 letters, digits, dots, hyphens and underscores' })
    .optional()
    .describe('root access key id; generated on first start when not given'),
  rootSecretAccessKey: text
    .min(8, { error: 'must have 8 to 128 characters' })
    .max(128, { error: 'must have 8 to 128 characters' })
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
/** What a setting is without a value: lists and switches are told apart from the rest by it. */
const defaults: Readonly<Record<string, unknown>> = configSchema.parse({});
const flagName = (key: string) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
const environmentName = (key: string) => `DSOM_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Variables of the client commands, which are not settings of the server. */
const clientVariables = new Set([
  'DSOM_ENDPOINT',
  'DSOM_ACCESS_KEY_ID',
  'DSOM_SECRET_ACCESS_KEY',
  'DSOM_CA',
  'DSOM_PROFILE',
  'DSOM_CONFIG',
  'DSOM_CONFIG_HOME',
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
  const near = known
    .map((one) => ({ one, far: editDistance(one, name) }))
    .filter(({ far }) => far <= Math.max(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.far - b.far)[0];
  return new ConfigError(
    `unknown ${what} ${name}: ${near ? `did you mean ${near.one}?` : '`dsom server --help` lists those that there are'}`,
  );
}

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const { message } = cause as Error;
    throw new ConfigError(
      cause instanceof SyntaxError
        ? `the configuration file ${file} is not JSON: ${message}`
        : `the configuration file cannot be read: ${message}. Give another --config, or none.`,
      { cause },
    );
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
  if (file !== undefined && typeof file !== 'string')
    throw new ConfigError('--config names one file, and is given once');
  const merged: Record<string, unknown> = file === undefined ? {} : readConfigFile(file);
  /** Where each setting comes from, as it was written there. */
  const written = new Map(Object.keys(merged).map((key) => [key, `"${key}" in ${file}`]));
  const names = new Map(keys.map((key) => [environmentName(key), key]));
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DSOM_') || value === undefined || clientVariables.has(name)) continue;
    const key = names.get(name);
    if (!key) throw unknown('environment variable', name, [...names.keys()]);
    merged[key] = value;
    written.set(key, name);
  }
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    const name = flagName(key);
    if (!keys.includes(key as ConfigKey)) throw unknown('option', name, keys.map(flagName));
    if (Array.isArray(value) && !Array.isArray(defaults[key]))
      throw new ConfigError(`${name} is given ${value.length} times (${value.join(', ')}), and takes one value`);
    if (typeof value === 'boolean' && typeof defaults[key] !== 'boolean')
      throw new ConfigError(`${name} needs a value: \`dsom server --help\` tells which`);
    merged[key] = value;
    written.set(key, name);
  }
  const result = configSchema.safeParse(merged);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const [key = ''] = issue.path;
    throw new ConfigError(`${written.get(String(key)) ?? String(key)}: ${issue.message}`);
  }
  if ((result.data.rootAccessKeyId === undefined) !== (result.data.rootSecretAccessKey === undefined))
    throw new ConfigError(
      'give both keys of root (DSOM_ROOT_ACCESS_KEY_ID and DSOM_ROOT_SECRET_ACCESS_KEY), or neither: then they are made',
    );
  const { domain, websiteDomain } = result.data;
  const both = websiteDomain.find((name) => domain.includes(name));
  if (both !== undefined)
    throw new ConfigError(
      `${both} is given as --domain and as --website-domain: buckets below it are either called by clients or read as websites`,
    );
  checkTls(result.data);
  return result.data;
}

/** @throws ConfigError where settings of TLS do not fit together */
function checkTls({ tlsCertificate, tlsKey, ...more }: Config): void {
  if (tlsCertificate.length !== tlsKey.length)
    throw new ConfigError(
      `${tlsCertificate.length} --tls-certificate and ${tlsKey.length} --tls-key are given: give each certificate its key, in the same order`,
    );
  if (tlsCertificate.length > 0) return;
  for (const key of ['tlsClientAuthority', 'tlsRedirectAddress'] as const)
    if (more[key] !== undefined)
      throw new ConfigError(`${flagName(key)} is of no use without --tls-certificate and --tls-key: give them too`);
}

/** Splits `host:port`, `[v6]:port`, `:port` or `port`. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:]*):)?(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new ConfigError(`"${address}" is not an address: write it like 127.0.0.1:9000`);
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, '') || '0.0.0.0', port };
}
