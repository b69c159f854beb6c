import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import {
  again,
  type Code,
  encodeModule,
  FunctionWriter,
  get,
  i32,
  i32x4,
  loop,
  set,
  tee,
  v128,
  valueType,
} from '../assembler.ts';

/*
 * MD5 (RFC 1321) of several streams in step.
 *
 * Each of MD5's 64 steps needs the result of the one before, so one stream leaves most of a core idle: its speed is set by the
 * length of that chain, not by the work in it. Independent streams fill the gaps. Four of them share vectors of four words,
 * one lane each; a second set of vectors for four more costs little, as it runs while the first waits. Two streams alone
 * do better interleaved in plain registers than in half-empty vectors.
 *
 * The code is written down once, over the operations of a `Unit` (one stream in registers, or four in vectors), and unrolled into
 * a WebAssembly module when a thread first needs it: there is no built file to keep in step with its source.
 *
 * Vectors need word k of four blocks side by side. Loading each word into its lane is as fast as loading rows and transposing them
 * by shuffles (6 % slower with eight lanes), and a tenth of the code. docs/decisions/0003-md5.md has the figures.
 */

/** Bytes of one block, the unit in which a state advances. */
export const blockBytes = 64;
/** Most streams that advance at once. */
export const maxLanes = 8;

/** How many streams a kernel advances; with fewer, the lanes left over compute what nobody reads. */
const widths = [1, 2, 4, 8] as const;

/** Where in memory: word `w` of the state of lane `l` at `w * stateStride + 4 * l`, the constants, the lanes' input. */
const stateStride = 4 * maxLanes;
const constantsAt = 4 * stateStride;
const inputAt = 1024;
const inputOf = (lane: number) => inputAt + lane * limits.digestLaneBytes;

/** RFC 1321, 3.4: T[i] = floor(2^32 · |sin(i + 1)|). */
const constants = Uint32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i + 1)) * 2 ** 32);
/** Rotations of the four rounds, repeated every four steps. */
const rotations = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;
/** Which word of the block a step takes: (factor · step + first) mod 16. */
const order = [
  [1, 0],
  [5, 1],
  [3, 5],
  [7, 0],
] as const;

type Operation = (a: Code, b: Code) => Code;

/** Streams that advance by the same instructions: one, or the four lanes of vectors. */
interface Unit {
  /** Local variables a, b, c, d. */
  readonly state: readonly number[];
  readonly add: Operation;
  readonly and: Operation;
  readonly or: Operation;
  readonly xor: Operation;
  readonly andnot: Operation;
  readonly not: (a: Code) => Code;
  readonly rotate: (value: Code, by: number) => Code;
  readonly constant: (step: number) => Code;
  /** What must be done with the block before its words can be had. */
  readonly prepare: Code;
  readonly word: (index: number) => Code;
  readonly load: (word: number) => Code;
  readonly store: (word: number, value: Code) => Code;
}

const zero = i32.const(0);
const inverted = (a: Code): Code => i32.xor(a, i32.const(-1));

/** @param input local variable: where the block begins, relative to the start of each lane */
function scalarUnit(writer: FunctionWriter, lane: number, input: number): Unit {
  const at = (word: number) => word * stateStride + 4 * lane;
  return {
    ...i32,
    state: [0, 1, 2, 3].map(() => writer.local(valueType.i32)),
    not: inverted,
    andnot: (a, b) => i32.and(a, inverted(b)),
    rotate: (value, by) => i32.rotl(value, i32.const(by)),
    constant: (step) => i32.const(constants[step] as number),
    prepare: [],
    word: (index) => i32.load(get(input), inputOf(lane) + 4 * index),
    load: (word) => i32.load(zero, at(word)),
    store: (word, value) => i32.store(zero, at(word), value),
  };
}

function vectorUnit(writer: FunctionWriter, lane: number, input: number): Unit {
  const locals = (count: number) => Array.from({ length: count }, () => writer.local(valueType.v128));
  const at = (word: number) => word * stateStride + 4 * lane;
  const words = locals(16);
  const [turned] = locals(1) as [number];
  return {
    ...v128,
    state: locals(4),
    add: i32x4.add,
    rotate: (value, by) =>
      v128.or(i32x4.shl(tee(turned, value), i32.const(by)), i32x4.shrU(get(turned), i32.const(32 - by))),
    constant: (step) => v128.load32Splat(zero, constantsAt + 4 * step),
    prepare: words.flatMap((word, index) => {
      const at = (row: number) => inputOf(lane + row) + 4 * index;
      const first = v128.load32Zero(get(input), at(0));
      return set(
        word,
        [1, 2, 3].reduce((rows, row) => v128.load32Lane(get(input), at(row), rows, row), first),
      );
    }),
    word: (index) => get(words[index] as number),
    load: (word) => v128.load(zero, at(word)),
    store: (word, value) => v128.store(zero, at(word), value),
  };
}

/** One of the 64 steps: a = b + ((a + f(b, c, d) + word + constant) <<< rotation). */
function step(unit: Unit, index: number): Code {
  const { add, and, andnot, or, xor, not } = unit;
  // The names rotate by one with every step, instead of the values.
  const local = (name: number) => unit.state[(name - index + 64) % 4] as number;
  const [a, b, c, d] = [0, 1, 2, 3].map((name) => get(local(name))) as [Code, Code, Code, Code];
  const round = index >> 4;
  const [factor, first] = order[round] as readonly [number, number];
  const sum = add(add(a, unit.word((factor * index + first) % 16)), unit.constant(index));
  const mixed = [
    () => add(sum, xor(d, and(b, xor(c, d)))),
    // No bit is set on both sides, so two sums do for an "or"; the first need not wait for b, which the step before made.
    () => add(add(sum, andnot(c, d)), and(b, d)),
    () => add(sum, xor(xor(c, d), b)),
    () => add(sum, xor(c, or(b, not(d)))),
  ][round] as () => Code;
  return set(local(0), add(unit.rotate(mixed(), rotations[round]?.[index % 4] as number), b));
}

/** A function of one parameter: the number of blocks, at least one, by which the first `width` lanes advance. */
function kernelOf(width: number): FunctionWriter {
  const writer = new FunctionWriter(1);
  const blocks = 0;
  const input = writer.local(valueType.i32);
  const units: Unit[] = [];
  if (width < 4) for (let lane = 0; lane < width; lane++) units.push(scalarUnit(writer, lane, input));
  else for (let lane = 0; lane < width; lane += 4) units.push(vectorUnit(writer, lane, input));

  const states = units.flatMap((unit) => unit.state.map((local, word) => ({ unit, local, word })));
  for (const { unit, local, word } of states) writer.write(set(local, unit.load(word)));
  writer.write(loop);
  for (const unit of units) writer.write(unit.prepare);
  for (let index = 0; index < 64; index++) for (const unit of units) writer.write(step(unit, index));
  for (const { unit, local, word } of states) {
    writer.write(unit.store(word, tee(local, unit.add(get(local), unit.load(word)))));
  }
  writer.write(set(input, i32.add(get(input), i32.const(blockBytes))));
  writer.write(again(tee(blocks, i32.sub(get(blocks), i32.const(1)))));
  return writer;
}

/** The state of a stream of which nothing was hashed yet (RFC 1321, 3.3). */
export const initialState = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;

/** One thread's kernels, and the memory that they share. */
export interface Kernel {
  /** Input of lane `l` begins at `l * limits.digestLaneBytes`. */
  readonly input: Uint8Array;
  /** Word `w` of the state of lane `l` is at `w * maxLanes + l`. */
  readonly state: Int32Array;
  /** Advances the first `lanes` lanes by `blocks` blocks each: what they say afterwards of other lanes means nothing. */
  advance(lanes: number, blocks: number): void;
}

/** What of the engine's WebAssembly is used: the library of ECMAScript does not declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

function createKernel(): Kernel {
  const kernels = new Map(widths.map((width) => [`advance${width}`, kernelOf(width)]));
  const module = new WebAssembly.Module(encodeModule(inputOf(maxLanes), kernels));
  const { exports } = new WebAssembly.Instance(module);
  const { buffer } = exports['memory'] as { readonly buffer: ArrayBuffer };
  new Uint32Array(buffer, constantsAt, 64).set(constants);
  const byLanes = Array.from({ length: maxLanes }, (_, index) => {
    const width = widths.find((each) => each > index);
    return exports[`advance${width}`] as (blocks: number) => void;
  });
  return {
    input: new Uint8Array(buffer, inputAt, maxLanes * limits.digestLaneBytes),
    state: new Int32Array(buffer, 0, 4 * maxLanes),
    advance(lanes, blocks) {
      const kernel = byLanes[lanes - 1];
      invariant(kernel && blocks > 0, 'a kernel has lanes and blocks to advance');
      kernel(blocks);
    },
  };
}

let ofThread: Kernel | undefined;

/** The kernel of this thread, made when it is first needed. Nothing in it outlives a call: whoever uses it brings the states along. */
export const kernelOfThread = (): Kernel => (ofThread ??= createKernel());
