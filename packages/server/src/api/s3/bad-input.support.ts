import { limits } from '../../limits.ts';
import { type Cell, type Kind, type Row, refused, unsigned, untyped } from './bad-input-cells.support.ts';
import { bounded, documents } from './bad-input-documents.support.ts';
import { own } from './bad-input-own.support.ts';
import { refusedOperations, type S3Operation } from './names.ts';
import { examples } from './requests.support.ts';

/*
 * Every operation of S3 × every kind of bad input: what is sent, and what is answered; or why there is no such input. The rows are made from what each
 * operation takes (a document, parameters, headers, a state); what none of the general forms says is said by name.
 */

/** The right request of each operation that `examples` has not in a form that succeeds. */
const lines: Partial<Record<S3Operation, string>> = {
  AbortMultipartUpload: 'DELETE /bad/u?uploadId={upload}',
  CompleteMultipartUpload: 'POST /bad/u?uploadId={upload}',
  ListParts: 'GET /bad/u?uploadId={upload}',
  UploadPart: 'PUT /bad/u?uploadId={upload}&partNumber=1',
  UploadPartCopy: 'PUT /bad/u?uploadId={upload}&partNumber=1',
  CreateBucket: 'PUT /made',
  RenameObject: 'PUT /bad/renamed?renameObject',
};

export function lineOf(operation: S3Operation): string {
  const example = examples[operation];
  return (lines[operation] ?? (typeof example === 'string' ? example : example[0])).replace(/ \/b(?=[/?]|$)/, ' /bad');
}

/** Headers of the right request. */
const headersOf: Partial<Record<S3Operation, Readonly<Record<string, string>>>> = {
  WriteGetObjectResponse: { 'x-amz-request-route': 'r' },
  PostObject: { 'content-type': 'multipart/form-data; boundary=x' },
  CopyObject: { 'x-amz-copy-source': '/bad/k' },
  UploadPartCopy: { 'x-amz-copy-source': '/bad/k' },
  RenameObject: { 'x-amz-rename-source': 'k' },
  GetObjectAttributes: { 'x-amz-object-attributes': 'ETag' },
};

export const rightHeaders = (operation: S3Operation) => headersOf[operation] ?? {};
export const rightBody = (operation: S3Operation) => {
  const document = documents[operation];
  return document === undefined ? '' : `<${document.root}>${document.inner}</${document.root}>`;
};
export const wantsDigest = (operation: S3Operation) => documents[operation] !== undefined;

const of = (line: string, what: 'bucket' | 'key' | 'service') => {
  const [method = '', target = ''] = line.split(' ');
  const [path = '', query] = target.split('?');
  const object = path.split('/').length > 2;
  const tail = query === undefined ? '' : `?${query}`;
  if (what === 'key' && !object) return undefined;
  const longKey = `${method} ${path}${'x'.repeat(limits.keyBytes)}${tail}`;
  const rest = path.split('/').slice(2);
  return what === 'key' ? longKey : `${method} ${['', 'nowhere', ...rest].join('/')}${tail}`;
};

const noDocument = 'it takes no document, and passes over what a body holds';

/** More than is taken, whatever it says. */
const longDocument = (root: string) => `<${root}>${' '.repeat(limits.documentBytes)}</${root}>`;

function documentCells(operation: S3Operation): Partial<Record<Kind, Cell>> {
  const document = documents[operation];
  if (!document)
    return {
      'malformed XML': noDocument,
      'unknown element': 'it takes no document; unknown names of a query are passed over, as at AWS',
    };
  const { root, inner, wrong, wrongCode, digest, code = 'MalformedXML' } = document;
  const malformed = (body: string) => refused(400, 'MalformedXML', { body });
  const form = (body: string) => refused(400, code, { body });
  const cells: Partial<Record<Kind, Cell>> = {
    'malformed XML': [
      malformed(`<${root}><`),
      malformed('{"json": true}'),
      malformed('<Other/>'),
      malformed(`<!DOCTYPE x><${root}/>`),
    ],
    'unknown element': [form(`<${root}>${inner}<Unknown/></${root}>`)],
    'wrong type': [
      wrongCode ? refused(...wrongCode, { body: `<${root}>${wrong}</${root}>` }) : form(`<${root}>${wrong}</${root}>`),
    ],
  };
  if (digest)
    cells['missing header'] = [
      refused(400, 'InvalidRequest', {
        headers: { 'content-md5': undefined },
        message: /^Missing required header for this request: Content-MD5/,
      }),
    ];
  return cells;
}

const notDone = (line?: string) =>
  refused(501, 'NotImplemented', { ...(line !== undefined && { line }), message: /is not implemented\.$/ });
const refusedRow: Row = {
  'malformed XML': [{ ...notDone(), body: '<' }],
  'missing header': [unsigned],
  'wrong type': [untyped],
  'unknown element': [{ ...notDone(), body: '<Unknown/>' }],
  'too long': [{ ...notDone(), headers: { 'x-amz-meta-a': 'x'.repeat(3000) } }],
  'wrong state': [notDone()],
};

function rowOf(operation: S3Operation): Row {
  if ((refusedOperations as readonly string[]).includes(operation)) return refusedRow;
  const line = lineOf(operation);
  const longKey = of(line, 'key');
  const document = documents[operation];
  const elsewhere = of(line, 'bucket');
  const longBucket = elsewhere?.replace('nowhere', 'n'.repeat(limits.bucketNameMax + 1));
  const general: Row = {
    'malformed XML': noDocument,
    'missing header': [unsigned],
    'wrong type': [untyped],
    'unknown element': noDocument,
    'too long': [
      ...(document === undefined
        ? []
        : [
            refused(400, bounded.has(operation) ? 'MaxMessageLengthExceeded' : 'MalformedXML', {
              body: longDocument(document.root),
            }),
          ]),
      ...(longKey === undefined ? [] : [refused(400, 'KeyTooLongError', { line: longKey })]),
      ...(longBucket === undefined ? [] : [refused(400, 'InvalidBucketName', { line: longBucket })]),
    ],
    'wrong state': elsewhere === undefined ? [] : [refused(404, 'NoSuchBucket', { line: elsewhere })],
  };
  const more = { ...documentCells(operation) };
  const row = { ...general, ...more, ...own[operation] };
  return row;
}

export const rows = (names: readonly S3Operation[]): ReadonlyMap<S3Operation, Row> =>
  new Map(names.map((name) => [name, rowOf(name)]));
