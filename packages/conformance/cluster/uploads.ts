/* Multipart uploads whose parts are copied, through whichever nodes are there. */
import assert from 'node:assert/strict';
import { type Answer, pathOf, send } from '../src/request.ts';
import { until } from './cluster.support.ts';

/** Until it is answered, whoever owns the shard by then. */
export async function answered(what: string, ask: () => Promise<Answer>): Promise<Answer> {
  let last: Answer | undefined;
  await until(what, 60_000, async () => (last = await ask()).status < 500);
  return last as Answer;
}

/** A multipart upload into the bucket `bucket`. */
export class Upload {
  readonly id: string;
  readonly path: string;
  readonly tags: string[] = [];

  constructor(path: string, id: string) {
    this.path = path;
    this.id = id;
  }

  static async begin(endpoint: string, key: string): Promise<Upload> {
    const path = pathOf('bucket', key);
    const answer = await answered(`${key} is begun`, () => send(endpoint, 'POST', path, { query: { uploads: '' } }));
    return new Upload(path, answer.elements('UploadId')[0] as string);
  }

  async part(endpoint: string, body: Buffer): Promise<void> {
    const query = { partNumber: `${this.tags.length + 1}`, uploadId: this.id };
    const answer = await send(endpoint, 'PUT', this.path, { query, body });
    assert.equal(answer.status, 200);
    this.tags.push(String(answer.headers['etag']));
  }

  /** @param end the first byte that is not copied */
  async copy(endpoint: string, source: string, start: number, end: number): Promise<void> {
    const query = { partNumber: `${this.tags.length + 1}`, uploadId: this.id };
    const headers = {
      'x-amz-copy-source': pathOf('bucket', source),
      'x-amz-copy-source-range': `bytes=${start}-${end - 1}`,
    };
    const answer = await answered('a part is copied', () => send(endpoint, 'PUT', this.path, { query, headers }));
    assert.equal(answer.status, 200, answer.text());
    this.tags.push((answer.elements('ETag')[0] as string).replaceAll('&quot;', '"'));
  }

  complete(endpoint: string): Promise<Answer> {
    const parts = this.tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    return send(endpoint, 'POST', this.path, { query: { uploadId: this.id }, body });
  }

  abort(endpoint: string): Promise<Answer> {
    return send(endpoint, 'DELETE', this.path, { query: { uploadId: this.id } });
  }
}
