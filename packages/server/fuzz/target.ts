import type { Dice } from './dice.ts';

/** One thing that takes bytes from outside. */
export interface Target {
  /** Name of its folder in `corpus`. */
  readonly name: string;
  /** Bytes of an input at most: what is longer is cut. */
  readonly maximum: number;
  /** Texts that mean something there. */
  readonly words: readonly string[];
  /** Inputs to begin with besides those in the corpus: what would be dull or large as a file. */
  readonly seeds?: () => readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Makes a spoiled input pass its checksums, where it can, so that what lies behind them is reached. */
  readonly reseal?: (input: Buffer) => Buffer;
  /**
   * Throws when something is wrong: an error of a kind that is not documented, or an answer that cannot be.
   * @param resealed the input went through `reseal`
   */
  readonly check: (input: Buffer, dice: Dice, resealed: boolean) => void | Promise<void>;
}
