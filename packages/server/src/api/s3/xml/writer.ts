/** The namespace of every S3 document but errors. */
const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const special = /[&<>"'\x00-\x1f\x7f\ufffe\uffff]/;
const specials = /[&<>"'\x00-\x1f\x7f\ufffe\uffff]/g;
const named: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * Text for an element. Control characters, which XML 1.0 cannot carry, become character references as AWS writes them: parsers
 * refuse those, so clients with such keys ask for `encoding-type=url`.
 */
export function escapeXml(text: string): string {
  if (!special.test(text)) return text;
  return text.replace(
    specials,
    (character) => named[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

/** A whole document whose root lies in the S3 namespace. `inner` is XML already. */
export function s3Document(root: string, inner: string): string {
  return inner === ''
    ? `${declaration}<${root} xmlns="${s3Namespace}"/>`
    : `${declaration}<${root} xmlns="${s3Namespace}">${inner}</${root}>`;
}

/** A whole document without a namespace: errors. */
export function bareDocument(root: string, inner: string): string {
  return `${declaration}<${root}>${inner}</${root}>`;
}

/** `<name>text</name>`, escaped; nothing at all for undefined. */
export function element(name: string, text: string | number | boolean | undefined): string {
  if (text === undefined) return '';
  if (text === '') return `<${name}/>`;
  return typeof text === 'string' ? `<${name}>${escapeXml(text)}</${name}>` : `<${name}>${text}</${name}>`;
}

const urlPlain = /^[A-Za-z0-9\-._~/]*$/;
const urlForms: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return urlPlain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/** Keys in answers to `encoding-type=url`: every byte percent-encoded but letters, digits, `-._~` and `/`. A space is `%20`, which all decoders read. */
export function encodeUrl(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (urlPlain.test(text)) return text;
  let out = '';
  for (const byte of bytes) out += urlForms[byte];
  return out;
}

/** A key as text of an element, in the form that the client asked for. */
export function keyText(key: Buffer, url: boolean): string {
  return url ? encodeUrl(key) : escapeXml(key.toString('utf8'));
}
