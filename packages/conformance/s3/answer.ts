import type { IncomingHttpHeaders } from 'node:http';
import type { Reply } from './client.ts';
import { find, parse, texts, type XmlElement } from './xml.ts';

/** An answer, and the request that it is to. */
export class Answer {
  readonly method: string;
  /** The request in few words. */
  readonly what: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly complete: boolean;
  #xml: XmlElement | undefined;

  constructor(method: string, what: string, reply: Reply) {
    this.method = method;
    this.what = what;
    this.status = reply.status;
    this.headers = reply.headers;
    this.body = reply.body;
    this.complete = reply.complete;
  }

  /** The document; one without a name when the body is none. */
  get xml(): XmlElement {
    if (this.#xml === undefined) {
      try {
        this.#xml = parse(this.body.toString('utf8'));
      } catch {
        this.#xml = { name: '', text: '', children: [] };
      }
    }
    return this.#xml;
  }

  /** Text of the element at the end of a path below the root. */
  text(...path: readonly string[]): string | undefined {
    return find(this.xml, ...path)?.text;
  }

  /** Texts of all elements of that name, at any depth. */
  texts(name: string): string[] {
    return texts(this.xml, name);
  }

  get code(): string | undefined {
    return this.#error('Code');
  }

  get message(): string {
    return this.#error('Message') ?? '';
  }

  /** S3 answers an Error, IAM and STS an ErrorResponse with one in it. */
  #error(element: string): string | undefined {
    if (this.xml.name === 'Error') return this.text(element);
    return this.xml.name === 'ErrorResponse' ? this.text('Error', element) : undefined;
  }

  get etag(): string {
    return (this.headers.etag as string | undefined) ?? '';
  }

  get versionId(): string {
    return (this.headers['x-amz-version-id'] as string | undefined) ?? '';
  }
}
