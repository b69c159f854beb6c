import { limits } from '../../limits.ts';
import { nearest, PolicyError, positionOf } from './failure.ts';
import { type JsonMember, type JsonNode, readJson } from './json.ts';
import { TemplateError } from './template.ts';

/** A string, or a number or boolean that stands for one. */
export type Scalar = Extract<JsonNode, { text: string }>;

/** A place in a policy: what is read there is checked, and what is wrong there is said with its name, line and column. */
export class Place {
  readonly #text: string;
  readonly #name: string;

  private constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
  }

  /** @throws PolicyError when the text is too long or no JSON object */
  static of(text: string, mostBytes: number): { place: Place; node: JsonNode } {
    const place = new Place(text, '');
    const bytes = Buffer.byteLength(text);
    if (bytes > mostBytes) {
      const problem = `has ${bytes} bytes, ${mostBytes} are allowed: merge statements, or use wildcards`;
      throw new PolicyError('', { line: 1, column: 1 }, problem);
    }
    return { place, node: readJson(text) };
  }

  at(member: string): Place {
    return new Place(this.#text, this.#name === '' ? member : `${this.#name}.${member}`);
  }

  item(index: number): Place {
    return new Place(this.#text, `${this.#name}[${index}]`);
  }

  fail(problem: string, node: { readonly at: number }): PolicyError {
    return new PolicyError(this.#name, positionOf(this.#text, node.at), problem);
  }

  /** Runs a reader of a value; what it finds wrong is said to be here. */
  checked<Result>(node: JsonNode, read: () => Result): Result {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof TemplateError) throw this.fail(cause.message, node);
      throw cause;
    }
  }

  /** The members of an object, all of which must be among `known`; any name when undefined. */
  members(node: JsonNode, known: readonly string[] | undefined): ReadonlyMap<string, JsonMember> {
    if (node.kind !== 'object') throw this.fail('must be an object, in braces', node);
    if (known)
      for (const [name, member] of node.members)
        if (!known.includes(name))
          throw this.fail(`has no element ${JSON.stringify(name)}${nearest(name, known)}`, member);
    return node.members;
  }

  string(node: JsonNode): Scalar {
    if (node.kind !== 'string') throw this.fail('must be a string, in quotes', node);
    return node;
  }

  /** A string or a list of strings, which must not be empty. */
  strings(node: JsonNode): Scalar[] {
    return this.#list(node, (one) => this.string(one));
  }

  /** The same of a condition, where numbers and booleans may stand without quotes. */
  scalars(node: JsonNode): Scalar[] {
    return this.#list(node, (one) => {
      if (one.kind === 'string' || one.kind === 'number' || one.kind === 'boolean') return one;
      throw this.fail('must be a string, a number or a boolean', one);
    });
  }

  #list(node: JsonNode, read: (node: JsonNode) => Scalar): Scalar[] {
    if (node.kind !== 'array') return [read(node)];
    if (node.items.length === 0)
      throw this.fail('is an empty list, which nothing matches: write a value, or remove it', node);
    if (node.items.length > limits.policyValues)
      throw this.fail(`holds more than ${limits.policyValues} values: use a wildcard`, node);
    return node.items.map(read);
  }
}
