import path from 'node:path';
import type { Cancel, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Registry, StructuredLog } from '../../telemetry/index.ts';
import { ConfigError } from '../config.ts';
import {
  materialHash,
  readMaterial,
  type ShownCertificate,
  shownCertificates,
  type TlsFiles,
  type TlsMaterial,
} from './material.ts';

/*
 * Keeps what is served at what the files say: they are read again every `limits.tlsReloadMs`, and when somebody says so (SIGHUP). Files that cannot be used change nothing;
 * the log says it once and the readiness for as long as it is so, and they are read again like all others.
 */

export interface TlsState {
  readonly certificates: readonly ShownCertificate[];
  /** Why the files that are there now are not served; undefined: they are. */
  readonly refused: string | undefined;
}

export interface TlsWatch {
  /** What threads are to serve. */
  readonly material: TlsMaterial;
  readonly state: TlsState;
  /** Reads the files now. Resolves when all threads serve what can be served. */
  reload(): Promise<void>;
  /** What is wrong, for the operator; empty when nothing is. */
  texts(): string[];
  /** File of the first certificate, when it is its own authority. */
  ownAuthority(): string | undefined;
  /** From now on the files are looked at by themselves. */
  start(): void;
  stop(): void;
}

export interface TlsWatchOptions {
  readonly files: TlsFiles;
  readonly host: Host;
  readonly log: Pick<StructuredLog, 'info' | 'warn' | 'error'>;
  /** Gives all threads what they are to serve from now on. */
  readonly install: (material: TlsMaterial) => Promise<void>;
}

const dayMs = 24 * 3600 * 1000;
const ticketKeyBytes = 48;

/** Days until a certificate ends, rounded down; below zero when it has. */
const daysLeft = ({ untilMs }: ShownCertificate, nowMs: number): number => Math.floor((untilMs - nowMs) / dayMs);

const dateText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** What is wrong with certificates, for the operator; empty when nothing is. */
function tlsTexts({ certificates, refused }: TlsState, nowMs: number): string[] {
  const renew = 'put another one in its file, it is read within a minute';
  return [
    ...certificates.flatMap((one) => {
      const name = `the certificate for ${one.names.slice(0, 3).join(', ')}`;
      const days = daysLeft(one, nowMs);
      if (nowMs > one.untilMs) return [`${name} HAS EXPIRED (${dateText(one.untilMs)}), clients refuse it: ${renew}`];
      if (nowMs < one.fromMs)
        return [`${name} is valid from ${dateText(one.fromMs)} on only: clients refuse it; see also the clock here`];
      // Some are made for a few days only, and renewed in time.
      const soon = Math.min(limits.tlsWarnDays, (one.untilMs - one.fromMs) / dayMs / 3);
      return days <= soon ? [`${name} expires in ${days} days (${dateText(one.untilMs)}): ${renew}`] : [];
    }),
    ...(refused === undefined ? [] : [`new certificates are not served, those before still are: ${refused}`]),
  ];
}

/** A new certificate that is not valid now is no better than the one before. @throws ConfigError */
function screenTimes(next: TlsMaterial, state: TlsState, nowMs: number): void {
  const held = new Set(state.certificates.map(({ fingerprint }) => fingerprint));
  for (const { fingerprint, names, fromMs, untilMs } of shownCertificates(next))
    if (!held.has(fingerprint) && (nowMs > untilMs || nowMs < fromMs))
      throw new ConfigError(
        `the new certificate for ${names.slice(0, 3).join(', ')} is valid from ${dateText(fromMs)} to ${dateText(untilMs)}, which is not now: give another one, and see the clock here`,
      );
}

/** @throws ConfigError when the files cannot be used */
export async function watchTls({ files, host, log, install }: TlsWatchOptions): Promise<TlsWatch> {
  const { clock, timers, entropy } = host;
  let material = await readMaterial(files, entropy.bytes(ticketKeyBytes));
  let state: TlsState = { certificates: shownCertificates(material), refused: undefined };
  let drawnMs = clock.monotonic();
  let warnedMs = clock.monotonic();

  /** What is there now; what is served already where that cannot be used. */
  const read = async (ticketKeys: Uint8Array): Promise<TlsMaterial> => {
    try {
      const next = await readMaterial(files, ticketKeys);
      screenTimes(next, state, clock.now());
      state = { certificates: shownCertificates(next), refused: undefined };
      return next;
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      const refused = cause.message;
      if (refused !== state.refused)
        log.error('new certificates are not served, those before still are', { cause: refused });
      state = { ...state, refused };
      return { ...material, ticketKeys };
    }
  };
  const warn = () => {
    warnedMs = clock.monotonic();
    for (const text of tlsTexts({ ...state, refused: undefined }, clock.now())) log.warn(text);
  };
  const look = async (): Promise<void> => {
    const now = clock.monotonic();
    const due = now - drawnMs >= limits.tlsTicketKeysMs;
    const next = await read(due ? entropy.bytes(ticketKeyBytes) : material.ticketKeys);
    const changed = materialHash(next) !== materialHash(material);
    if (changed || due) {
      await install(next);
      material = next;
      if (due) drawnMs = now;
    }
    if (changed) log.info('new certificates are served', { names: state.certificates.flatMap(({ names }) => names) });
    if (now - warnedMs >= dayMs) warn();
  };
  // One look after the other, and at most one that waits.
  let last = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const reload = (): Promise<void> => {
    waiting ??= last = last.then(async () => {
      waiting = undefined;
      await look().catch((cause: unknown) =>
        log.error('certificates could not be read anew; it is tried again', { cause }),
      );
    });
    return waiting;
  };
  let stop: Cancel | undefined;
  return {
    get material() {
      return material;
    },
    get state() {
      return state;
    },
    texts: () => tlsTexts(state, clock.now()),
    ownAuthority: () =>
      state.certificates[0]?.selfSigned ? path.resolve(files.pairs[0]?.certificate as string) : undefined,
    reload,
    start() {
      warn();
      stop ??= timers.every(limits.tlsReloadMs, () => void reload());
    },
    stop: () => stop?.(),
  };
}

/**
 * Under which name clients reach the server: the address that it listens at, or, where the first certificate is not for it, the first name that it is for.
 * @param state undefined: HTTP
 */
export function endpointOf(host: string, port: number, state: TlsState | undefined): string {
  const own = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const names = state?.certificates[0]?.names ?? [];
  const name = names.includes(own) ? own : (names.find((one) => /^[a-z0-9.-]+$/i.test(one)) ?? own);
  return `${state ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Days that are left of each certificate, and whether what is in the files is served. */
export function tlsMetrics(registry: Registry, watch: TlsWatch, now: () => number): void {
  const left = registry.gauge(
    'dsom_tls_certificate_days',
    'Days until a certificate that clients are shown expires; below zero when it has.',
    ['name'],
  );
  const served = registry.gauge('dsom_tls_files_served', '1 while the certificates that are in the files are served.');
  registry.refresh(() => {
    const { certificates, refused } = watch.state;
    left.clear();
    for (const one of certificates) left.set(left.at(one.names[0] ?? ''), daysLeft(one, now()));
    served.set(served.at(), refused === undefined ? 1 : 0);
  });
}
