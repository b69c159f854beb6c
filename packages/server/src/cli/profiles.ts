import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { CommandError, exitCode, UsageError } from './exit.ts';

/** An endpoint and the keys for it. */
export interface Connection {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region?: string | undefined;
  /** File of authorities to trust, besides those of the system. */
  readonly ca?: string | undefined;
}

/** The file of profiles, format 1. */
interface ProfileFile {
  readonly format: 1;
  current: string | undefined;
  readonly profiles: Record<string, Connection>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const defaultEndpoint = 'http://127.0.0.1:9000';

function configFolder(environment: Environment): string {
  const chosen = environment['DSOM_CONFIG_HOME'];
  if (chosen) return chosen;
  return path.join(environment['XDG_CONFIG_HOME'] || path.join(environment['HOME'] || homedir(), '.config'), 'dsom');
}

const isConnection = (value: unknown): value is Connection => {
  const { endpoint, accessKeyId, secretAccessKey, ca = '' } = (value ?? {}) as Record<string, unknown>;
  return [endpoint, accessKeyId, secretAccessKey, ca].every((text) => typeof text === 'string');
};

/** Named connections in `~/.config/dsom/profiles.json`, which only its owner can read. */
export class Profiles {
  readonly file: string;

  constructor(environment: Environment) {
    this.file = path.join(configFolder(environment), 'profiles.json');
  }

  read(): ProfileFile {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { format: 1, current: undefined, profiles: {} };
      throw cause;
    }
    try {
      const parsed = JSON.parse(text) as ProfileFile;
      if (
        parsed.format !== 1 ||
        typeof parsed.profiles !== 'object' ||
        !Object.values(parsed.profiles).every(isConnection)
      )
        throw new Error('unknown form');
      return parsed;
    } catch (cause) {
      const advice = 'Repair it, or move it away and add the profiles again with `dsom profile add`.';
      throw new CommandError(exitCode.failed, `${this.file} cannot be read: ${(cause as Error).message}`, advice);
    }
  }

  get(name: string): Connection {
    const { profiles } = this.read();
    const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
    if (found) return found;
    const known = Object.keys(profiles);
    const advice = known.length === 0 ? '`dsom profile add` makes one.' : `Known profiles: ${known.join(', ')}.`;
    throw new CommandError(exitCode.notFound, `there is no profile "${name}"`, advice);
  }

  add(name: string, connection: Connection, use: boolean): void {
    if (!/^[\w.-]{1,64}$/.test(name))
      throw new UsageError(`"${name}" cannot be a profile's name: use letters, digits, ".", "_" and "-"`);
    const file = this.read();
    file.profiles[name] = connection;
    if (use || file.current === undefined) file.current = name;
    this.#write(file);
  }

  remove(name: string): void {
    this.get(name);
    const file = this.read();
    delete file.profiles[name];
    if (file.current === name) file.current = undefined;
    this.#write(file);
  }

  use(name: string): void {
    this.get(name);
    this.#write({ ...this.read(), current: name });
  }

  /** In place of the old file at once, and never readable by others. */
  #write(file: ProfileFile): void {
    mkdirSync(path.dirname(this.file), { recursive: true, mode: 0o700 });
    const next = `${this.file}.new`;
    writeFileSync(next, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
    // The mode above counts only for a new file.
    chmodSync(next, 0o600);
    renameSync(next, this.file);
  }
}

/** Where a connection's settings came from, for messages. */
export interface FoundConnection extends Connection {
  readonly from: string;
}

/**
 * The connection to use: the named profile (also by DSOM_PROFILE), else DSOM_ENDPOINT, DSOM_ACCESS_KEY_ID and DSOM_SECRET_ACCESS_KEY, else the
 * current profile.
 * @param given what the command line says, which weighs most
 */
export function findConnection(
  environment: Environment,
  profile: string | undefined,
  given: { readonly endpoint?: string | undefined; readonly ca?: string | undefined },
): FoundConnection {
  const profiles = new Profiles(environment);
  const named = profile ?? environment['DSOM_PROFILE'];
  const ca = given.ca ?? (environment['DSOM_CA'] || undefined);
  const override = { ...(given.endpoint !== undefined && { endpoint: given.endpoint }), ...(ca && { ca }) };
  if (named) return { ...profiles.get(named), ...override, from: `profile "${named}"` };
  const accessKeyId = environment['DSOM_ACCESS_KEY_ID'];
  const secretAccessKey = environment['DSOM_SECRET_ACCESS_KEY'];
  const region = environment['DSOM_REGION'];
  if (accessKeyId && secretAccessKey) {
    const chosen = { endpoint: environment['DSOM_ENDPOINT'] ?? defaultEndpoint, ...override };
    return { ...chosen, accessKeyId, secretAccessKey, ...(region && { region }), from: 'the environment' };
  }
  if (accessKeyId || secretAccessKey || environment['DSOM_ENDPOINT']) {
    const missing = ['DSOM_ACCESS_KEY_ID', 'DSOM_SECRET_ACCESS_KEY'].filter((name) => !environment[name]);
    throw new UsageError(
      `the environment names an endpoint or a key, but not ${missing.join(' and ')}: set both keys, or unset the rest to use a profile`,
    );
  }
  const { current } = profiles.read();
  if (current) return { ...profiles.get(current), ...override, from: `profile "${current}"` };
  throw new CommandError(
    exitCode.usage,
    'no endpoint and keys are known',
    'Run `dsom profile add NAME ENDPOINT` once, or set DSOM_ENDPOINT, DSOM_ACCESS_KEY_ID and DSOM_SECRET_ACCESS_KEY.',
  );
}
