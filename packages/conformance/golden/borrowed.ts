/* What came to a store with parts that borrow: written by one version, read by a later one. */
import { pathOf } from '../src/request.ts';
import { doing } from './whole.ts';

const MiB = 1024 * 1024;
const bucket = 'borrowed';
/** More than stands in a version's row; it compresses well. */
const large = (word: string): Buffer => Buffer.alloc(34 * MiB, `${word} lends its bytes. `);

export async function fillBorrowed(endpoint: string): Promise<void> {
  const must = doing(endpoint);
  const begin = async (key: string): Promise<string> =>
    String((await must('POST', pathOf(bucket, key), { query: { uploads: '' } })).element('UploadId'));
  const copy = async (key: string, uploadId: string, partNumber: number, source: string, range?: string) => {
    const headers = {
      'x-amz-copy-source': `/${bucket}/${source}`,
      ...(range !== undefined && { 'x-amz-copy-source-range': `bytes=${range}` }),
    };
    const query = { partNumber: String(partNumber), uploadId };
    return String((await must('PUT', pathOf(bucket, key), { query, headers })).element('ETag'));
  };
  const complete = async (key: string, uploadId: string, etags: readonly string[]) => {
    const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    await must('POST', pathOf(bucket, key), { query: { uploadId }, body });
  };
  await must('PUT', `/${bucket}`);
  for (const key of ['lender', 'gone']) await must('PUT', pathOf(bucket, key), { body: large(key) });
  const first = await begin('of both');
  await complete('of both', first, [
    await copy('of both', first, 1, 'gone', '70001-9000000'),
    await copy('of both', first, 2, 'lender'),
    await copy('of both', first, 3, 'gone', '34000000-34999999'),
  ]);
  await must('DELETE', pathOf(bucket, 'gone'));
  const second = await begin('of one that borrows');
  await complete('of one that borrows', second, [
    await copy('of one that borrows', second, 1, 'of both', '5-20000000'),
  ]);
  const open = await begin('open');
  await copy('open', open, 1, 'lender', '1-8000000');
  await copy('open', open, 2, 'of both', '8000000-16000000');
  const given = await begin('given up');
  await copy('given up', given, 1, 'lender');
  await must('DELETE', pathOf(bucket, 'given up'), { query: { uploadId: given } });
}
