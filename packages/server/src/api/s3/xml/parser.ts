import { isUtf8 } from 'node:buffer';
import { errorTable, StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';

/*
 * Reads the small XML documents of S3 requests. It knows elements, attributes (checked, then dropped), text, CDATA, comments, the five named
 * entities and character references, and nothing else: no DOCTYPE, so no entity can be declared, and no processing
 * instruction. Namespace prefixes are dropped, whatever they stand for. One pass, no recursion, no backtracking; size, depth and number of
 * elements are bounded, so no document costs more than its length.
 *
 * A general parser from a registry was not taken: these documents need a tenth of one, and each of its switches
 * (entities, numbers, trimming, prototypes) would have to be right.
 */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Text between the tags, unescaped; empty when there are child elements. */
  readonly text: string;
}

interface OpenElement {
  readonly tag: string;
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** MalformedXML. @param why what is wrong, in a sentence; clients that look for the words of AWS find those first */
export function malformed(why?: string): StoreError {
  const { message } = errorTable.MalformedXML;
  return new StoreError('MalformedXML', why === undefined ? {} : { message: `${message} ${why}` });
}

const tagName = /[A-Za-z_][A-Za-z0-9_.-]*(?::[A-Za-z_][A-Za-z0-9_.-]*)?/y;
const attribute = /[ \t\r\n]+([A-Za-z_:][A-Za-z0-9_.:-]*)[ \t\r\n]*=[ \t\r\n]*(?:"([^"<]*)"|'([^'<]*)')/y;
const space = /[ \t\r\n]*/y;
const declarationForm =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*["']1\.[0-9]["'](?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._-]+)["'])?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*["'](?:yes|no)["'])?[ \t\r\n]*\?>/;
const reference = /&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));|&/g;
const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const blank = /^[ \t\r\n]*$/;
/** What no XML 1.0 document may hold, even unescaped. */
const forbidden = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

function character(code: number): string {
  const valid =
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff);
  if (!valid) throw malformed('A character reference names no XML character.');
  return String.fromCodePoint(code);
}

function unescapeText(text: string): string {
  if (text.includes(']]>')) throw malformed();
  const lines = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  if (!lines.includes('&')) return lines;
  return lines.replace(
    reference,
    (_, name: string | undefined, decimal: string | undefined, hex: string | undefined) => {
      if (name !== undefined) return named[name]!;
      if (decimal !== undefined) return character(Number(decimal));
      if (hex !== undefined) return character(Number.parseInt(hex, 16));
      throw malformed('An entity other than the five of XML is not allowed.');
    },
  );
}

/**
 * @param bytes at most `limits.documentBytes` of UTF-8
 * @returns the root element
 * @throws StoreError MalformedXML
 */
export function parseXml(bytes: Buffer): XmlElement {
  if (bytes.length > limits.documentBytes) throw malformed('The document is too large.');
  if (!isUtf8(bytes)) throw malformed('The document is not UTF-8.');
  let source = bytes.toString('utf8');
  if (source.charCodeAt(0) === 0xfeff) source = source.slice(1);
  if (forbidden.test(source)) throw malformed('The document holds a character that XML does not allow.');
  return new Parser(source).document();
}

class Parser {
  readonly #source: string;
  readonly #open: OpenElement[] = [];
  #at = 0;
  #elements = 0;
  #root: XmlElement | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  document(): XmlElement {
    this.#declaration();
    while (true) {
      const next = this.#source.indexOf('<', this.#at);
      this.#text(this.#source.slice(this.#at, next < 0 ? undefined : next));
      if (next < 0) break;
      this.#at = next;
      this.#markup();
    }
    if (this.#root === undefined || this.#open.length > 0)
      throw malformed('The document ends before its root element.');
    return this.#root;
  }

  #declaration(): void {
    if (!this.#source.startsWith('<?xml')) return;
    const found = declarationForm.exec(this.#source.slice(0, 200));
    if (!found) throw malformed('The XML declaration is not valid.');
    const encoding = found[1]?.toLowerCase();
    if (encoding !== undefined && encoding !== 'utf-8' && encoding !== 'us-ascii')
      throw malformed('The document is not UTF-8.');
    this.#at = found[0].length;
  }

  #text(raw: string): void {
    if (raw === '') return;
    const top = this.#open.at(-1);
    if (top) top.text += unescapeText(raw);
    else if (!blank.test(raw)) throw malformed('There is text outside of the root element.');
  }

  #markup(): void {
    const source = this.#source;
    const second = source[this.#at + 1];
    if (second === '/') this.#close();
    else if (second !== '!') this.#start();
    else if (source.startsWith('<!--', this.#at)) {
      const end = source.indexOf('--', this.#at + 4);
      if (end < 0 || source[end + 2] !== '>') throw malformed('A comment does not end.');
      this.#at = end + 3;
    } else if (source.startsWith('<![CDATA[', this.#at) && this.#open.length > 0) {
      const end = source.indexOf(']]>', this.#at);
      if (end < 0) throw malformed('A CDATA section does not end.');
      this.#open.at(-1)!.text += source.slice(this.#at + 9, end).replace(/\r\n?/g, '\n');
      this.#at = end + 3;
    } else throw malformed('Document type declarations are not allowed.');
  }

  #match(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.#at;
    const found = form.exec(this.#source);
    if (found) this.#at = form.lastIndex;
    return found;
  }

  #start(): void {
    this.#at++;
    const tag = this.#match(tagName)?.[0];
    if (tag === undefined) throw malformed('A tag has no valid name.');
    if (this.#root !== undefined) throw malformed('There is more than one root element.');
    if (this.#open.length >= limits.xmlDepth) throw malformed('The document is nested too deeply.');
    if (++this.#elements > limits.xmlElements) throw malformed('The document has too many elements.');
    const seen: string[] = [];
    for (let found = this.#match(attribute); found; found = this.#match(attribute)) {
      const name = found[1]!;
      // A handful at most in any S3 document, so that looking through them stays cheap.
      if (seen.includes(name) || seen.length >= 16) throw malformed('An element repeats an attribute or has too many.');
      seen.push(name);
      unescapeText(found[2] ?? found[3] ?? '');
    }
    this.#match(space);
    const local = tag.slice(tag.indexOf(':') + 1);
    const opened: OpenElement = { tag, name: local, children: [], text: '' };
    if (this.#source.startsWith('/>', this.#at)) {
      this.#at += 2;
      this.#finish(opened);
    } else if (this.#source[this.#at] === '>') {
      this.#at++;
      this.#open.push(opened);
    } else throw malformed('A tag is not well formed.');
  }

  #close(): void {
    this.#at += 2;
    const tag = this.#match(tagName)?.[0];
    this.#match(space);
    const opened = this.#open.pop();
    if (tag === undefined || opened?.tag !== tag || this.#source[this.#at] !== '>')
      throw malformed('A closing tag does not fit.');
    this.#at++;
    this.#finish(opened);
  }

  #finish(opened: OpenElement): void {
    if (opened.children.length > 0) {
      if (!blank.test(opened.text)) throw malformed('Text and elements are mixed.');
      opened.text = '';
    }
    const parent = this.#open.at(-1);
    if (parent) parent.children.push(opened);
    else this.#root = opened;
  }
}

/** Refuses every child that is not named, and text where elements are meant: what is not understood must not be passed over. */
export function allowOnly(parent: XmlElement, names: readonly string[]): void {
  if (!blank.test(parent.text)) throw malformed(`The element ${parent.name} holds elements, not text.`);
  for (const child of parent.children)
    if (!names.includes(child.name)) throw malformed(`The element ${child.name} is not known here.`);
}

/** The only child of this name; undefined when there is none. */
export function childOf(parent: XmlElement, name: string): XmlElement | undefined {
  let found: XmlElement | undefined;
  for (const child of parent.children) {
    if (child.name !== name) continue;
    if (found) throw malformed(`The element ${name} is given more than once.`);
    found = child;
  }
  return found;
}

/** Text of the only child of this name, which may hold no elements. */
export function textOf(parent: XmlElement, name: string): string | undefined {
  const found = childOf(parent, name);
  if (found && found.children.length > 0) throw malformed(`The element ${name} holds text only.`);
  return found?.text;
}
