/*
 * Text in HTTP headers. node:http gives and takes header values as Latin-1, one character per byte; clients put UTF-8 in
 * them, or encoded words (RFC 2047), or plain ASCII.
 */

const printable = /^[\x20-\x7e]*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** True when every character may stand in a header as it is. */
export function isPlain(text: string): boolean {
  return printable.test(text);
}

/** A received value as text: its bytes as UTF-8 where they are valid, else one character per byte. */
export function decodeHeader(value: string): string {
  // A character above 255 is no byte: this is text already.
  if (printable.test(value) || /[^\x00-\xff]/.test(value)) return value;
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Text to send as it is: its UTF-8 bytes, in the form that node:http takes. Control characters become spaces, so that no header can be smuggled in. */
export function encodeHeader(text: string): string {
  if (printable.test(text)) return text;
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ');
}

const encodedWord = /=\?(utf-8|us-ascii|iso-8859-1)\?([bq])\?([^?\s]*)\?=/gi;

function decodeWord(charset: string, form: string, text: string): string {
  const bytes =
    form.toLowerCase() === 'b'
      ? Buffer.from(text, 'base64')
      : Buffer.from(
          text
            .replaceAll('_', ' ')
            .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
          'latin1',
        );
  return bytes.toString(charset.toLowerCase() === 'utf-8' ? 'utf8' : 'latin1');
}

/** Decodes the encoded words of RFC 2047 (`=?UTF-8?B?…?=`) in a received value; space between two of them is not text. */
export function decodeWords(value: string): string {
  const text = decodeHeader(value);
  if (!text.includes('=?')) return text;
  return text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(encodedWord, (_, charset, form, body) => decodeWord(charset, form, body));
}

/** Text as one encoded word when it is not plain: `Q` while most of it stays readable, else `B`. */
export function encodeWords(text: string): string {
  if (printable.test(text)) return text;
  const bytes = Buffer.from(text, 'utf8');
  let readable = 0;
  for (const byte of bytes) if (byte >= 0x20 && byte < 0x7f) readable++;
  if (readable * 2 < bytes.length) return `=?UTF-8?B?${bytes.toString('base64')}?=`;
  let quoted = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    if (byte === 0x20) quoted += '_';
    else if (/[A-Za-z0-9!*+/-]/.test(character)) quoted += character;
    else quoted += `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return `=?UTF-8?Q?${quoted}?=`;
}
