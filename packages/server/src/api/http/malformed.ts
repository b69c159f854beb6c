import type { Duplex } from 'node:stream';
import { type ErrorCode, errorTable, StoreError } from '../../errors.ts';
import type { Refusals } from './refusals.ts';

/** Codes of node:http's parser that are not the client's bad syntax. */
const known: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'RequestHeaderSectionTooLarge',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'RequestHeaderSectionTooLarge',
  ERR_HTTP_REQUEST_TIMEOUT: 'RequestTimeout',
};

/**
 * Listener for `clientError` of an http server: bytes that are no HTTP request never reach a handler. Says so once, when no
 * answer is under way on the connection, and closes it.
 * @param refusals where it is logged; absent: nowhere
 */
export function refuseMalformed(
  error: Error & { readonly code?: string },
  socket: Duplex & { readonly remoteAddress?: string | undefined },
  refusals?: Pick<Refusals, 'noteMalformed'>,
): void {
  const underWay = (socket as { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || !socket.writable || underWay) {
    socket.destroy();
    return;
  }
  const code = known[error.code ?? ''] ?? 'BadRequest';
  const { http, message } = errorTable[code];
  refusals?.noteMalformed(new StoreError(code, { cause: error.message }), socket.remoteAddress);
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  socket.end(
    `HTTP/1.1 ${http} Bad Request\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
