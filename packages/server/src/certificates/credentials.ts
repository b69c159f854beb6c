import { type KeyObject, X509Certificate } from 'node:crypto';
import type { Volume } from '../device/index.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Credentials } from '../transport/index.ts';
import { newKey, privatePem, publicDer } from './certificate.ts';
import { type NodeIdentity, storeIdentity } from './identity.ts';

/** A certificate, and the authorities to trust from now on. */
export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** PEM, the newest first. While one authority replaces another: both. */
  readonly authorities: readonly string[];
}

export interface CredentialsOptions {
  readonly identity: NodeIdentity;
  /** Where the identity is kept. */
  readonly volume: Volume;
  readonly host: Host;
  /** Asks who holds the authority for a certificate for this node and a new key (SPKI, DER). */
  renew(publicKey: Buffer): Promise<Issued>;
  /** Hears why a certificate could not be renewed; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

/** The credentials of this node, renewed before they expire. */
export interface NodeCredentials extends Credentials {
  /** Trusts exactly these authorities from now on (PEM, the newest first); durable when it resolves. The own certificate must be of one of them. */
  trust(authorities: readonly string[]): Promise<void>;
  /** Gets a certificate for a new key now, whatever the age of the present one. */
  renewNow(): Promise<void>;
  close(): void;
}

/** After two thirds of its life a certificate is due, so that a cluster may be out of order for long before it matters. */
export function isDue(certificate: string, host: Host): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return host.clock.now() >= from + ((to - from) * 2) / 3;
}

class Renewed implements NodeCredentials {
  readonly #options: CredentialsOptions;
  readonly #stop: Cancel;
  #identity: NodeIdentity;
  #shown: ReturnType<Credentials['current']>;
  #turn: Promise<void> = Promise.resolve();
  #due = false;

  constructor(options: CredentialsOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#shown = shown(options.identity);
    this.#stop = options.host.timers.every(limits.certificateCheckMs, () => this.#check());
    this.#check();
  }

  current() {
    return this.#shown;
  }

  trust(authorities: readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#adopt({ ...this.#identity, authorities }));
  }

  renewNow(): Promise<void> {
    return this.#inTurn(async () => {
      const key: KeyObject = newKey(this.#options.host);
      const { certificate, authorities } = await this.#options.renew(publicDer(key));
      await this.#adopt({ node: this.#identity.node, key, certificate, authorities });
    });
  }

  close(): void {
    this.#stop();
  }

  #check(): void {
    if (this.#due || !isDue(this.#identity.certificate, this.#options.host)) return;
    this.#due = true;
    this.renewNow()
      .catch((cause) => this.#options.onError(cause))
      .finally(() => (this.#due = false));
  }

  /** Shown only when it is kept: after a restart the node is who it said it was. */
  async #adopt(identity: NodeIdentity): Promise<void> {
    await storeIdentity(this.#options.volume, identity);
    this.#identity = identity;
    this.#shown = shown(identity);
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

function shown({ certificate, key, authorities }: NodeIdentity): ReturnType<Credentials['current']> {
  return { certificate, privateKey: privatePem(key), authorities };
}

export function openCredentials(options: CredentialsOptions): NodeCredentials {
  return new Renewed(options);
}
