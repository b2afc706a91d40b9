/** Bytes that grow: numbers little endian, lengths as 32 bits. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(1 << 16);
  #view = viewOf(this.#buffer);
  #at = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  u8(value: number): void {
    if (this.#at + 1 > this.#buffer.length) this.#grow(1);
    this.#buffer[this.#at++] = value;
  }

  u32(value: number): void {
    if (this.#at + 4 > this.#buffer.length) this.#grow(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  i32(value: number): void {
    if (this.#at + 4 > this.#buffer.length) this.#grow(4);
    this.#view.setInt32(this.#at, value, true);
    this.#at += 4;
  }

  f64(value: number): void {
    if (this.#at + 8 > this.#buffer.length) this.#grow(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** Length, then the bytes. */
  block(bytes: Uint8Array): void {
    this.u32(bytes.length);
    if (this.#at + bytes.length > this.#buffer.length) this.#grow(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #grow(more: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
