import { isUtf8 } from 'node:buffer';
import { StoreError } from '../errors.ts';

/** The characters that RFC 3986 leaves unreserved; all others are percent-encoded in a signature. */
const plainText = /^[A-Za-z0-9\-._~]*$/;
const plainPath = /^[A-Za-z0-9\-._~/]*$/;

/** Each byte as it stands in a canonical path: itself when unreserved or a slash, else `%XX` in upper case. */
const pathForms: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return plainPath.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function invalid(message: string): StoreError {
  return new StoreError('InvalidURI', { message });
}

/**
 * Undoes percent-encoding. Characters above 127 are taken as the bytes that came over the wire.
 * @throws StoreError InvalidURI when a percent sign has no two digits behind it, or the bytes are not UTF-8
 */
export function percentDecode(raw: string): Buffer {
  const out = Buffer.from(raw, 'latin1');
  if (plainPath.test(raw)) return out;
  let length = 0;
  for (let at = 0; at < out.length; at++) {
    let byte = out[at] as number;
    if (byte === 0x25) {
      const high = at + 2 < out.length ? hexDigit(out[at + 1] as number) : -1;
      const low = at + 2 < out.length ? hexDigit(out[at + 2] as number) : -1;
      if (high < 0 || low < 0) throw invalid('A percent sign in the URI has no two hexadecimal digits behind it.');
      byte = high * 16 + low;
      at += 2;
    }
    out[length++] = byte;
  }
  const decoded = out.subarray(0, length);
  if (!isUtf8(decoded)) throw invalid('The URI is not UTF-8 once decoded.');
  return decoded;
}

/** {@link percentDecode} to text, with `+` as a space: one name or value of a query. */
export function queryDecode(raw: string): string {
  if (plainText.test(raw)) return raw;
  return percentDecode(raw.replaceAll('+', ' ')).toString('utf8');
}

/** Percent-encodes text the way signatures want it: everything but the unreserved characters. */
export function percentEncode(text: string): string {
  if (plainText.test(text)) return text;
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The one form of a path in signatures: decoded once and encoded again, slashes kept, nothing normalised. */
export function canonicalPath(rawPath: string): string {
  if (plainPath.test(rawPath)) return rawPath;
  let out = '';
  for (const byte of percentDecode(rawPath)) out += pathForms[byte];
  return out;
}
