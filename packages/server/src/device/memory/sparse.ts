const pageBytes = 4096;

/** Bytes with holes: what was never written reads as zeros and takes no memory. */
export class SparseBytes {
  readonly #pages: Map<number, Buffer>;
  length: number;

  constructor(pages: Map<number, Buffer> = new Map(), length = 0) {
    this.#pages = pages;
    this.length = length;
  }

  clone(): SparseBytes {
    const pages = new Map<number, Buffer>();
    for (const [index, page] of this.#pages) pages.set(index, Buffer.from(page));
    return new SparseBytes(pages, this.length);
  }

  /** Bytes of memory in use. */
  get allocated(): number {
    return this.#pages.size * pageBytes;
  }

  /** Bytes of memory that a write there would take in addition. */
  cost(position: number, length: number): number {
    let missing = 0;
    for (let page = Math.floor(position / pageBytes); page * pageBytes < position + length; page++) {
      if (!this.#pages.has(page)) missing++;
    }
    return missing * pageBytes;
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.length - position));
    for (let done = 0; done < count; ) {
      const at = position + done;
      const offset = at % pageBytes;
      const part = Math.min(count - done, pageBytes - offset);
      const page = this.#pages.get((at - offset) / pageBytes);
      if (page) into.set(page.subarray(offset, offset + part), done);
      else into.fill(0, done, done + part);
      done += part;
    }
    return count;
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done;
      const offset = at % pageBytes;
      const part = Math.min(bytes.length - done, pageBytes - offset);
      const index = (at - offset) / pageBytes;
      let page = this.#pages.get(index);
      if (!page) {
        page = Buffer.alloc(pageBytes);
        this.#pages.set(index, page);
      }
      page.set(bytes.subarray(done, done + part), offset);
      done += part;
    }
    if (bytes.length > 0) this.length = Math.max(this.length, position + bytes.length);
  }

  truncate(length: number): void {
    for (const index of this.#pages.keys()) if (index * pageBytes >= length) this.#pages.delete(index);
    if (length < this.length) this.#pages.get(Math.floor(length / pageBytes))?.fill(0, length % pageBytes);
    this.length = length;
  }
}
