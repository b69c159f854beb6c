import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodePayload } from './index.ts';
import { accessKeyId, bench, emptyHash, inPieces, request } from './signer.support.ts';
import type { Authenticated, SignedRequest } from './types.ts';

/*
 * The examples that AWS publishes with their signatures:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, sigv4-query-string-auth.html,
 * sigv4-streaming.html and sigv4-streaming-trailers.html. Key AKIAIOSFODNN7EXAMPLE, region us-east-1, 24 May 2013.
 */

const scope = '20130524/us-east-1/s3/aws4_request';
const time = '20130524T000000Z';

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

async function verify(signed: SignedRequest): Promise<Authenticated> {
  const result = await bench().authenticator.authenticate(signed, ['header', 'query']);
  assert.equal(result.principal.kind, 'key');
  return result;
}

const host = 'examplebucket.s3.amazonaws.com';

const examples: readonly [name: string, SignedRequest][] = [
  [
    'GET object',
    request('GET', '/test.txt', {
      host,
      range: 'bytes=0-9',
      'x-amz-content-sha256': emptyHash,
      'x-amz-date': time,
      authorization: authorization(
        'host;range;x-amz-content-sha256;x-amz-date',
        'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      ),
    }),
  ],
  [
    'PUT object',
    request('PUT', '/test$file.text', {
      host,
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-date': time,
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      authorization: authorization(
        'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      ),
    }),
  ],
  [
    'GET bucket lifecycle',
    request('GET', '/?lifecycle', {
      host,
      'x-amz-date': time,
      'x-amz-content-sha256': emptyHash,
      authorization: authorization(
        'host;x-amz-content-sha256;x-amz-date',
        'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
      ),
    }),
  ],
  [
    'list objects',
    request('GET', '/?max-keys=2&prefix=J', {
      host,
      'x-amz-date': time,
      'x-amz-content-sha256': emptyHash,
      authorization: authorization(
        'host;x-amz-content-sha256;x-amz-date',
        '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      ),
    }),
  ],
  [
    'presigned GET',
    request(
      'GET',
      `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${accessKeyId}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=${time}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
      { host },
    ),
  ],
];

describe('published examples', () => {
  for (const [name, signed] of examples) {
    it(name, async () => {
      await verify(signed);
      await assert.rejects(verify({ ...signed, method: signed.method === 'GET' ? 'HEAD' : 'POST' }), /signature/i);
    });
  }

  const data = Buffer.alloc(66_560, 'a');
  const put = (form: string, signedHeaders: string, seed: string, more: Record<string, string> = {}) =>
    request('PUT', '/examplebucket/chunkObject.txt', {
      host: 's3.amazonaws.com',
      'x-amz-date': time,
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': form,
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': '66560',
      'content-length': '66824',
      ...more,
      authorization: authorization(signedHeaders, seed),
    });

  const body = (signatures: readonly string[], end: string) =>
    Buffer.from(
      `10000;chunk-signature=${signatures[0]}\r\n${'a'.repeat(65_536)}\r\n400;chunk-signature=${signatures[1]}\r\n${'a'.repeat(1024)}\r\n0;chunk-signature=${signatures[2]}\r\n${end}`,
    );

  async function read(signed: SignedRequest, framed: Buffer, announced?: string) {
    const { payload } = await verify(signed);
    const decoded = decodePayload(payload, inPieces(framed, [1, 7000, 65_536, 3]), {
      decodedLength: 66_560,
      announced,
    });
    const pieces: Uint8Array[] = [];
    for await (const piece of decoded.stream) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(data));
    return decoded.trailers();
  }

  it('PUT in signed chunks', async () => {
    const signed = put(
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    );
    const signatures = [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ];
    assert.equal((await read(signed, body(signatures, '\r\n'))).size, 0);
    await assert.rejects(read(signed, body([signatures[1]!, signatures[0]!, signatures[2]!], '\r\n')), /signature/);
  });

  const trailing = put(
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
    '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    { 'x-amz-trailer': 'x-amz-checksum-crc32c' },
  );
  const trailingSignatures = [
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  ];
  const trailerSignature = 'x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';

  // Clients write the section in different ways: the published text, a client of MinIO, one without the last empty line.
  const endings = [
    `x-amz-checksum-crc32c:sOO8/Q==\r\n${trailerSignature}\r\n\r\n`,
    `x-amz-checksum-crc32c:sOO8/Q==\n\r\n${trailerSignature}\r\n\r\n`,
    `\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n${trailerSignature}\r\n`,
  ];
  for (const end of endings) {
    it(`PUT in signed chunks with a signed trailer: ${JSON.stringify(end.slice(0, 36))}`, async () => {
      const trailers = await read(trailing, body(trailingSignatures, end), 'x-amz-checksum-crc32c');
      assert.deepEqual([...trailers], [['x-amz-checksum-crc32c', 'sOO8/Q==']]);
    });
  }

  it('a changed trailer, or one without its signature, is refused', async () => {
    const refused = (end: string, code: string) =>
      assert.rejects(read(trailing, body(trailingSignatures, end), 'x-amz-checksum-crc32c'), { code });
    await refused(`x-amz-checksum-crc32c:sOO8/A==\r\n${trailerSignature}\r\n\r\n`, 'SignatureDoesNotMatch');
    await refused('x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n', 'MalformedTrailerError');
    await refused(`${trailerSignature}\r\n\r\n`, 'MalformedTrailerError');
  });
});
