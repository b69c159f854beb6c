/* What is read from the answers of S3, texts of named elements, and written into its documents. */

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const signs: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;' };

/** A text as the content of an element. */
export const escapeXml = (text: string): string => text.replace(/[<>&]/g, (sign) => signs[sign] as string);

const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,4}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });

/** Name and inner XML of every element of one of `names`, in order. They must not nest in each other. */
export function elements(xml: string, ...names: readonly string[]): { name: string; inner: string }[] {
  const open = new RegExp(`<(${names.join('|')})(?:\\s[^>]*)?(?:/>|>([^]*?)</\\1>)`, 'g');
  return Array.from(xml.matchAll(open), ([, name = '', inner = '']) => ({ name, inner }));
}

/** The text of the first element `name`. */
export function textOf(xml: string, name: string): string | undefined {
  const found = elements(xml, name)[0];
  return found && unescapeXml(found.inner);
}
