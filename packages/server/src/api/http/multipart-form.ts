import { isUtf8 } from 'node:buffer';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';

/*
 * multipart/form-data (RFC 7578) as a stream: the fields before the file, the bytes of the file as they come, then nothing but the end. What is not the
 * file's is bounded by `limits.formBytes` in all, so that a form costs no more memory than one chunk of its file. The file must be the last part that
 * counts; parts behind it are read for their form and dropped, and a second file is refused.
 *
 * Rejected: a parser from a registry. They gather fields and hand on files by events, so that back-pressure and bounds would have to be put around
 * them again; and this grammar is two pages.
 */

export interface FormField {
  /** As it stands in the form. */
  readonly name: string;
  readonly value: string;
}

/** The part called `file`. */
export interface FormFile {
  /** Without a path, whatever the browser gave; empty when it gave none. */
  readonly name: string;
  /** Its bytes; it ends when the form has ended well. @throws StoreError MalformedPOSTRequest, IncorrectNumberOfFilesInPostRequest */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface Form {
  readonly fields: readonly FormField[];
  readonly file: FormFile | undefined;
}

const malformed = (): StoreError => new StoreError('MalformedPOSTRequest');
const tooLong = (): StoreError => new StoreError('MaxPostPreDataLengthExceededError');

/** Characters of RFC 2046, with those that browsers use. */
const boundaryForm = /;\s*boundary=(?:"([^"\\\r\n]{1,70})"|([^\s;"\\,]{1,70}))\s*(?:;|$)/i;

/** The boundary in a Content-Type; undefined where it is no form. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) return undefined;
  const found = boundaryForm.exec(contentType);
  if (!found) throw malformed();
  return found[1] ?? found[2];
}

const lineEnd = Buffer.from('\r\n');
const headersEnd = Buffer.from('\r\n\r\n');

interface PartHeaders {
  readonly name: string;
  readonly filename: string | undefined;
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const dispositionForm = new RegExp(
  `^form-data((?:\\s*;\\s*${token}\\s*=\\s*(?:"(?:[^"\\\\]|\\\\.)*"|${token}))*)\\s*;?\\s*$`,
  'i',
);
const parameterForm = new RegExp(`;\\s*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, 'g');

/** `"` is escaped by a backslash, or as browsers do it; a backslash before anything else is one, as in the paths that old browsers send. */
const unquoted = (text: string): string => text.replaceAll('\\"', '"').replaceAll('%22', '"');

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw malformed();
  return bytes.toString('utf8');
}

function partHeadersOf(bytes: Buffer): PartHeaders {
  let disposition: string | undefined;
  for (const line of textOf(bytes).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1 || /[\0\r\n]/.test(line)) throw malformed();
    const name = line.slice(0, colon).toLowerCase();
    if (name !== 'content-disposition') continue;
    if (disposition !== undefined) throw malformed();
    disposition = line.slice(colon + 1).trim();
  }
  const found = disposition === undefined ? undefined : dispositionForm.exec(disposition);
  if (!found) throw malformed();
  const parameters = new Map<string, string>();
  for (const [, name, quoted, plain] of (found[1] as string).matchAll(parameterForm)) {
    const lower = (name as string).toLowerCase();
    if (parameters.has(lower)) throw malformed();
    parameters.set(lower, quoted === undefined ? (plain as string) : unquoted(quoted));
  }
  const name = parameters.get('name');
  if (name === undefined || name === '') throw malformed();
  return { name, filename: parameters.get('filename') };
}

/** Takes a form apart, chunk by chunk. */
class FormReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** What stands before a part: the first has no line before it, which is put there. */
  readonly #delimiter: Buffer;
  #held: Buffer = lineEnd;
  #ended = false;
  /** Bytes that were not the file's. */
  #spent = 0;

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  async form(): Promise<Form> {
    const fields: FormField[] = [];
    if ((await this.#until(this.#delimiter)).length > 0) throw malformed();
    while (await this.#next()) {
      const { name, filename } = partHeadersOf(await this.#until(headersEnd));
      if (name.toLowerCase() === 'file') {
        const path = filename ?? '';
        const bytes = this.#file();
        return {
          fields,
          file: { name: path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1), bytes },
        };
      }
      fields.push({ name, value: textOf(await this.#until(this.#delimiter)) });
    }
    return { fields, file: undefined };
  }

  /** Behind a delimiter: true where a part follows, false where the form ends. */
  async #next(): Promise<boolean> {
    while (this.#held.length < 2) if (!(await this.#more())) throw malformed();
    const two = this.#held.toString('latin1', 0, 2);
    this.#drop(2);
    if (two === '\r\n') return true;
    if (two === '--') return false;
    throw malformed();
  }

  #drop(count: number): void {
    this.#held = this.#held.subarray(count);
  }

  /** @returns false at the end of the body */
  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const { value, done } = await this.#source.next();
    if (done === true) {
      this.#ended = true;
      return false;
    }
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    return true;
  }

  /** The bytes up to `end`, which goes. @throws StoreError MaxPostPreDataLengthExceededError */
  async #until(end: Buffer): Promise<Buffer> {
    let from = 0;
    while (true) {
      const at = this.#held.indexOf(end, from);
      if (this.#spent + (at < 0 ? this.#held.length - end.length : at) > limits.formBytes) throw tooLong();
      if (at >= 0) {
        const found = this.#held.subarray(0, at);
        this.#spent += at + end.length;
        this.#drop(at + end.length);
        return found;
      }
      from = Math.max(0, this.#held.length - end.length + 1);
      if (!(await this.#more())) throw malformed();
    }
  }

  async *#file(): AsyncGenerator<Uint8Array> {
    const delimiter = this.#delimiter;
    while (true) {
      const at = this.#held.indexOf(delimiter);
      // What may be the beginning of the delimiter stays.
      const sure = at < 0 ? this.#held.length - delimiter.length + 1 : at;
      if (sure > 0) {
        yield this.#held.subarray(0, sure);
        this.#drop(sure);
      }
      if (at >= 0) {
        this.#drop(delimiter.length);
        break;
      }
      if (!(await this.#more())) throw malformed();
    }
    await this.#rest();
  }

  /** Parts behind the file count for nothing, but must be parts, and no second file. */
  async #rest(): Promise<void> {
    while (await this.#next()) {
      const { name } = partHeadersOf(await this.#until(headersEnd));
      if (name.toLowerCase() === 'file') throw new StoreError('IncorrectNumberOfFilesInPostRequest');
      await this.#until(this.#delimiter);
    }
    // An epilogue (RFC 2046), which is a line end in practice.
    do {
      this.#spent += this.#held.length;
      if (this.#spent > limits.formBytes) throw malformed();
      this.#drop(this.#held.length);
    } while (await this.#more());
  }
}

/**
 * Reads a form up to the bytes of its file.
 * @param boundary of {@link boundaryOf}
 * @throws StoreError MalformedPOSTRequest, MaxPostPreDataLengthExceededError
 */
export const readForm = (body: AsyncIterable<Uint8Array>, boundary: string): Promise<Form> =>
  new FormReader(body, boundary).form();
