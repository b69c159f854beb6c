import type { Dice } from './dice.ts';

/** Numbers at which lengths and counters go wrong. */
const numbers = [0, 1, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 4096, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** Puts `insert` in the place of `remove` bytes. */
function splice(input: Buffer, at: number, remove: number, insert: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), insert, input.subarray(at + remove)]);
}

function number(dice: Dice): Buffer {
  const value = dice.pick(numbers);
  const out = Buffer.alloc(dice.pick([1, 2, 4, 8]));
  const little = dice.once(2);
  for (let i = 0; i < out.length; i++) {
    const byte = i < 4 ? (value >>> (8 * i)) & 0xff : 0;
    out[little ? i : out.length - 1 - i] = byte;
  }
  return out;
}

/** One change, of the kinds that bugs are made of. */
function change(input: Buffer, others: readonly Buffer[], words: readonly string[], dice: Dice): Buffer {
  const at = dice.below(input.length + 1);
  const length = Math.min(1 + dice.below(dice.pick([2, 8, 64])), input.length - at);
  switch (dice.below(10)) {
    case 0: {
      if (input.length === 0) return input;
      const out = Buffer.from(input);
      const byte = dice.below(input.length);
      out[byte] = (out[byte] as number) ^ (1 << dice.below(8));
      return out;
    }
    case 1:
      return splice(input, at, length, dice.bytes(length));
    case 2:
      return splice(input, at, length, Buffer.alloc(0));
    case 3:
      return splice(input, at, 0, input.subarray(at, at + length));
    case 4: {
      const bytes = number(dice);
      return splice(input, at, dice.once(4) ? 0 : bytes.length, bytes);
    }
    case 5:
      return input.subarray(0, at);
    case 6: {
      const other = dice.pick(others);
      const from = dice.below(other.length + 1);
      return splice(input, at, dice.once(2) ? length : 0, other.subarray(from, from + 1 + dice.below(200)));
    }
    case 7:
      return Buffer.concat([input.subarray(0, at), dice.pick(others).subarray(at)]);
    default:
      if (words.length === 0) return splice(input, at, 0, dice.bytes(1 + dice.below(4)));
      return splice(input, at, dice.once(2) ? length : 0, Buffer.from(dice.pick(words), 'latin1'));
  }
}

/** A spoiled one of `inputs`, or now and then just any bytes. */
export function spoiled(inputs: readonly Buffer[], words: readonly string[], maximum: number, dice: Dice): Buffer {
  let input = dice.once(20) ? dice.bytes(dice.below(Math.min(maximum, 300))) : dice.pick(inputs);
  for (let changes = 1 + dice.below(dice.pick([1, 3, 8])); changes > 0; changes--) {
    input = change(input, inputs, words, dice);
  }
  return input.length > maximum ? input.subarray(0, maximum) : input;
}
