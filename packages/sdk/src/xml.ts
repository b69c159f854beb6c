/*
 * The S3 side answers a few small, flat documents in XML: errors, an upload id, tags. Reading the text of named elements is all that takes; a parser
 * with entities, namespaces and DTDs would be more code and more attack surface.
 */

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,4}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The inner XML of every element `name`, in order. Elements must not nest in themselves. */
export function elements(xml: string, name: string): string[] {
  const open = new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g');
  return Array.from(xml.matchAll(open), (match) => match[1]!);
}

/** The text of the first element `name`. */
export function textOf(xml: string, name: string): string | undefined {
  const inner = elements(xml, name)[0];
  return inner === undefined ? undefined : decodeEntities(inner);
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
