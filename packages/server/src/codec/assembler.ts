/*
 * Just enough of WebAssembly's binary format to write a kernel down as expressions
 * (https://webassembly.github.io/spec/core/binary/, opcodes under the names they have there).
 *
 * An expression is the bytes that leave its value on the stack, so an operator is a function that joins its operands.
 */

/** Bytes of an instruction sequence. */
export type Code = readonly number[];

export const valueType = { i32: 0x7f, v128: 0x7b } as const;
type ValueType = (typeof valueType)[keyof typeof valueType];

function unsigned(value: number): Code {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const low = value & 0x7f;
  return value >= -0x40 && value < 0x40 ? [low] : [low | 0x80, ...signed(value >> 7)];
}

const noValue = 0x40;
const text = (name: string): Code => [...unsigned(name.length), ...Buffer.from(name)];
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)];

const unary =
  (opcode: Code) =>
  (a: Code): Code => [...a, ...opcode];
const binary =
  (opcode: Code) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode];
/** @param align log2 of the alignment that addresses are promised to have */
const access =
  (opcode: Code, align: number) =>
  (address: Code, offset: number, value: Code = []): Code => [
    ...address,
    ...value,
    ...opcode,
    align,
    ...unsigned(offset),
  ];

/** Names of the locals of a function: its parameters first, in their order. */
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const tee = (local: number, value: Code): Code => [...value, 0x22, ...unsigned(local)];
/** What stands between {@link loop} and the {@link again} that closes it runs once more as long as `condition` is not zero. */
export const loop: Code = [0x03, noValue];
export const again = (condition: Code): Code => [...condition, 0x0d, 0, 0x0b];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value | 0)],
  load: access([0x28], 2),
  store: access([0x36], 2),
  add: binary([0x6a]),
  sub: binary([0x6b]),
  and: binary([0x71]),
  or: binary([0x72]),
  xor: binary([0x73]),
  rotl: binary([0x77]),
  ltU: binary([0x49]),
} as const;

const loadLane = access(simd(86), 2);

export const v128 = {
  load: access(simd(0), 4),
  load32Splat: access(simd(9), 2),
  load32Zero: access(simd(92), 2),
  /** `rest` with one of its four words replaced. */
  load32Lane: (address: Code, offset: number, rest: Code, lane: number): Code => [
    ...loadLane(address, offset, rest),
    lane,
  ],
  /** At any address. */
  loadUnaligned: access(simd(0), 0),
  storeUnaligned: access(simd(11), 0),
  zero: [...simd(12), ...Array.from({ length: 16 }, () => 0)] as Code,
  store: access(simd(11), 4),
  not: unary(simd(77)),
  and: binary(simd(78)),
  /** a and not b */
  andnot: binary(simd(79)),
  or: binary(simd(80)),
  xor: binary(simd(81)),
} as const;

export const i32x4 = {
  shl: binary(simd(171)),
  shrU: binary(simd(173)),
  add: binary(simd(174)),
} as const;

export const i8x16 = {
  splat: unary(simd(15)),
  /** Bytes of `table` by index; what an index above 15 gives depends on the processor (proposal "relaxed SIMD"). */
  relaxedSwizzle: binary(simd(0x100)),
} as const;

export const i16x8 = {
  shrU: binary(simd(141)),
} as const;

/** A function whose parameters are i32, in local variables from 0 on, and that returns nothing. */
export class FunctionWriter {
  readonly parameters: number;
  readonly #locals: ValueType[] = [];
  readonly #code: number[] = [];

  constructor(parameters: number) {
    this.parameters = parameters;
  }

  /** A new local variable; gives its number. */
  local(type: ValueType): number {
    return this.parameters - 1 + this.#locals.push(type);
  }

  write(...codes: readonly Code[]): void {
    for (const code of codes) this.#code.push(...code);
  }

  /** Its entry in the code section. */
  encode(): Buffer {
    const locals = vector(this.#locals.map((type) => [1, type]));
    const size = locals.length + this.#code.length + 1;
    return Buffer.from([...unsigned(size), ...locals, ...this.#code, 0x0b]);
  }
}

function section(id: number, items: readonly (Code | Buffer)[]): Buffer {
  const content = Buffer.concat([unsigned(items.length), ...items].map((item) => Buffer.from(item)));
  return Buffer.concat([Buffer.from([id, ...unsigned(content.length)]), content]);
}

/** A module with one memory of at least `bytes`, exported as `memory`, and the given functions, exported by name. */
export function encodeModule(bytes: number, functions: ReadonlyMap<string, FunctionWriter>): Buffer {
  const pages = Math.ceil(bytes / 65_536);
  const parameters = [...functions.values()].map((writer) =>
    Array.from({ length: writer.parameters }, () => [valueType.i32]),
  );
  const names = [...functions.keys()].map((name, index) => [...text(name), 0, ...unsigned(index)]);
  return Buffer.concat([
    Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]),
    section(
      1,
      parameters.map((types) => [0x60, ...vector(types), ...vector([])]),
    ),
    section(
      3,
      parameters.map((_, index) => unsigned(index)),
    ),
    section(5, [[0x00, ...unsigned(pages)]]),
    section(7, [[...text('memory'), 2, ...unsigned(0)], ...names]),
    section(
      10,
      [...functions.values()].map((writer) => writer.encode()),
    ),
  ]);
}
