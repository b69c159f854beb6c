import { limits } from '../../limits.ts';
import { PolicyError, positionOf } from './failure.ts';

/*
 * JSON, read so that nothing can be understood in two ways and every value knows where it stands. `JSON.parse` takes the last of two
 * members with one name, and others take the first: a policy that says two things is refused instead.
 */

export interface JsonMember {
  /** Offset of the name. */
  readonly at: number;
  readonly value: JsonNode;
}

/** A value and the offset at which it begins. Numbers keep their text: nothing is rounded. */
export type JsonNode =
  | { readonly kind: 'object'; readonly at: number; readonly members: ReadonlyMap<string, JsonMember> }
  | { readonly kind: 'array'; readonly at: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string' | 'number' | 'boolean'; readonly at: number; readonly text: string }
  | { readonly kind: 'null'; readonly at: number };

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const string = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const word = /true|false|null/y;
const blank = /[ \t\r\n]*/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonNode {
    this.#take(blank);
    const node = this.#value(0);
    this.#take(blank);
    if (this.#at < this.#text.length) throw this.#fail('there is more text behind the end of the policy: remove it');
    return node;
  }

  #fail(problem: string, at = this.#at): PolicyError {
    return new PolicyError('', positionOf(this.#text, at), problem);
  }

  #take(form: RegExp): string | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** Takes one character of punctuation and the blanks around it. */
  #mark(char: string): boolean {
    this.#take(blank);
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    this.#take(blank);
    return true;
  }

  #value(depth: number): JsonNode {
    if (depth > limits.policyDepth)
      throw this.#fail('the policy is nested too deeply: no element of the language needs it');
    const at = this.#at;
    switch (this.#text[at]) {
      case '{':
        return this.#object(at, depth);
      case '[':
        return this.#array(at, depth);
      case '"':
        return { kind: 'string', at, text: this.#string() };
      default: {
        const text = this.#take(number);
        if (text !== undefined) return { kind: 'number', at, text };
        const literal = this.#take(word);
        if (literal === 'null') return { kind: 'null', at };
        if (literal !== undefined) return { kind: 'boolean', at, text: literal };
        throw this.#fail(
          at >= this.#text.length ? 'the policy ends too early: it is cut off' : 'a JSON value must stand here',
        );
      }
    }
  }

  #string(): string {
    const at = this.#at;
    const raw = this.#take(string);
    if (raw === undefined) throw this.#fail('a string must be closed by " and hold no control characters');
    const text = JSON.parse(raw) as string;
    if (!text.isWellFormed())
      throw this.#fail('the string holds half of a character (a lone surrogate): remove it', at);
    return text;
  }

  #object(at: number, depth: number): JsonNode {
    const members = new Map<string, JsonMember>();
    this.#mark('{');
    if (this.#mark('}')) return { kind: 'object', at, members };
    do {
      const named = this.#at;
      if (this.#text[named] !== '"') throw this.#fail('the name of an element must stand here, in quotes');
      const name = this.#string();
      if (members.has(name)) throw this.#fail(`${JSON.stringify(name)} is given twice: merge the two`, named);
      if (!this.#mark(':')) throw this.#fail('a colon must stand between a name and its value');
      members.set(name, { at: named, value: this.#value(depth + 1) });
    } while (this.#mark(','));
    if (!this.#mark('}')) throw this.#fail('a comma or } must stand here');
    return { kind: 'object', at, members };
  }

  #array(at: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#mark('[');
    if (this.#mark(']')) return { kind: 'array', at, items };
    do items.push(this.#value(depth + 1));
    while (this.#mark(','));
    if (!this.#mark(']')) throw this.#fail('a comma or ] must stand here');
    return { kind: 'array', at, items };
  }
}

/** @throws PolicyError when the text is not JSON, names a member twice, or is nested too deeply */
export function readJson(text: string): JsonNode {
  return new Reader(text).document();
}
