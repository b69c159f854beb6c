import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a webhook was sent. */
export interface Received {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: documents of which each test reads another part
  readonly body: any;
}

/** A webhook on loopback: keeps what it is sent, and answers as it is told. */
export class Receiver {
  readonly received: Received[] = [];
  /** Status of the next answers. */
  status = 200;
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        if (this.status < 300)
          this.received.push({
            path: request.url as string,
            headers: request.headers,
            body: JSON.parse(Buffer.concat(pieces).toString('utf8')),
          });
        response.writeHead(this.status, this.status === 302 ? { location: '/elsewhere' } : {});
        response.end('{}');
      });
    });
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }

  /** The records of S3 that came, test events left out. Where an answer of this process was late, an event comes once more: it counts once. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  get records(): any[] {
    const seen = new Map(
      this.received.flatMap(({ body }) => body.Records ?? []).map((one) => [JSON.stringify(one), one]),
    );
    return [...seen.values()];
  }

  /** How many of them came once more. */
  get repeated(): number {
    return this.received.flatMap(({ body }) => body.Records ?? []).length - this.records.length;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
