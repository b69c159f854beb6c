import { createCRC64, createXXHash3, createXXHash64, createXXHash128, type IHasher } from 'hash-wasm';

/*
 * Digests that run in WebAssembly: CRC64NVME (polynomial and check value: NVM Express NVM Command Set Specification, "64b CRC") and the three xxHashes
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md; seed 0, canonical form, which is big-endian: that is what S3's clients send).
 *
 * There is one instance of each per thread, awaited when the module loads so that everything else stays synchronous and nothing can forget to start it.
 * Streams take turns on an instance: its state is swapped only when another stream comes.
 */

/** An instance, and whose state it holds. */
interface Engine {
  readonly hasher: IHasher;
  holder: WasmStream | undefined;
}

const engine = async (hasher: Promise<IHasher>): Promise<Engine> => ({ hasher: await hasher, holder: undefined });

export const engines = {
  CRC64NVME: await engine(createCRC64('9a6c9329ac4bc9b5')),
  XXHASH64: await engine(createXXHash64()),
  XXHASH3: await engine(createXXHash3()),
  XXHASH128: await engine(createXXHash128()),
} as const;

/** One running digest. */
export class WasmStream {
  readonly #engine: Engine;
  #saved: Uint8Array | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  update(bytes: Uint8Array): void {
    this.#resume().update(bytes);
  }

  /** Big-endian. The stream must not be used afterwards. */
  digest(): Buffer {
    const hasher = this.#resume();
    this.#engine.holder = undefined;
    return Buffer.from(hasher.digest('binary'));
  }

  #resume(): IHasher {
    const { hasher, holder } = this.#engine;
    if (holder === this) return hasher;
    if (holder) holder.#saved = hasher.save();
    hasher.init();
    if (this.#saved) hasher.load(this.#saved);
    this.#engine.holder = this;
    return hasher;
  }
}
