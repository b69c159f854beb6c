/** What is no HTTP, or means one thing to one reader and another to the next; with the bytes of it, for a host name. */
export const malformed: readonly (readonly [what: string, bytes: (host: string) => string])[] = [
  [
    'Content-Length and Transfer-Encoding at once',
    (host) =>
      `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'an obfuscated Transfer-Encoding',
    (host) => `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  ],
  ['a space before the colon', (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Amz-Date : 1\r\n\r\n`],
  ['bare LF', (host) => `GET / HTTP/1.1\nHost: ${host}\r\n\n\n`],
  ['a bare CR in a header', (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\nA: b\rc\r\n\r\n`],
  [
    'two lengths',
    (host) => `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
  ],
  ['a negative length', (host) => `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: -5\r\n\r\n`],
  [
    'a length that overflows',
    (host) => `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 99999999999999999999999\r\n\r\n`,
  ],
  ['no Host', () => 'GET / HTTP/1.1\r\n\r\n'],
  [
    'headers without end',
    (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n${`X: ${'y'.repeat(1000)}\r\n`.repeat(40)}\r\n`,
  ],
  ['no HTTP at all', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a control character in the target', (host) => `GET /bucket/a\x01b HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  [
    'a chunk whose extension never ends',
    (host) => `PUT /bucket/x HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(100_000)}`,
  ],
];
