/** An element of an answer. */
export interface XmlElement {
  readonly name: string;
  /** Text of the element itself, entities resolved. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (_, hex, dec, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return dec === undefined ? (named[name as string] ?? '') : String.fromCodePoint(Number(dec));
  });

/** Puts a text into a document. */
export const escapeXml = (text: string): string =>
  text.replace(/[<>&"\r]/g, (c) =>
    c === '\r' ? '&#13;' : `&${{ '<': 'lt', '>': 'gt', '&': 'amp', '"': 'quot' }[c]};`,
  );

/**
 * Reads what S3 answers: elements and text, no more of XML than that.
 * @throws Error when it is not well formed
 */
export function parse(text: string): XmlElement {
  const root = { name: '', text: '', children: [] as XmlElement[] };
  const open: (typeof root)[] = [root];
  let at = 0;
  for (const match of text.matchAll(/<(\/?)([^\s/>?]+)[^>]*?(\/?)>|<\?[^>]*\?>/g)) {
    const top = open.at(-1) as typeof root;
    top.text += unescapeXml(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [, closing, name, empty] = match;
    if (name === undefined) continue;
    if (closing) {
      if (top.name !== name || open.length === 1) throw new Error(`</${name}> closes nothing`);
      open.pop();
      continue;
    }
    const element = { name, text: '', children: [] as XmlElement[] };
    top.children.push(element);
    if (!empty) open.push(element);
  }
  const [only] = root.children;
  if (open.length !== 1 || only === undefined || root.children.length !== 1) throw new Error('no whole document');
  return only;
}

/** The element at the end of a path of names; undefined when there is none. */
export function find(element: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined {
  let found = element;
  for (const name of path) found = found?.children.find((child) => child.name === name);
  return found;
}

/** All children of that name. */
export const all = (element: XmlElement | undefined, name: string): readonly XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? [];

/** Texts of all elements of that name, at any depth, in order. */
export function texts(element: XmlElement, name: string): string[] {
  const own = element.name === name ? [element.text] : [];
  return [...own, ...element.children.flatMap((child) => texts(child, name))];
}
