/**
 * Writes protobuf's wire format: as much of it as a Perfetto trace needs. A message
 * within a message is written in place; its length goes before it afterwards.
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

export class ProtoWriter {
  #buf = Buffer.allocUnsafe(64 * 1024);
  #at = 0;

  /** A whole number from 0 to 2^53 - 1. */
  uint(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  uint64(field: number, value: bigint): void {
    this.#tag(field, VARINT);
    this.#varint64(value);
  }

  /** A whole number, negative ones as ten bytes. */
  int64(field: number, value: number): void {
    if (value >= 0) this.uint(field, value);
    else this.uint64(field, BigInt.asUintN(64, BigInt(value)));
  }

  bool(field: number, value: boolean): void {
    this.uint(field, value ? 1 : 0);
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#room(8);
    this.#at = this.#buf.writeDoubleLE(value, this.#at);
  }

  string(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#tag(field, BYTES);
    this.#varint(length);
    this.#room(length);
    this.#at += this.#buf.write(value, this.#at);
  }

  /** `write` writes its fields. */
  message(field: number, write: () => void): void {
    this.#tag(field, BYTES);
    this.#room(1);
    const start = ++this.#at;
    write();
    const length = this.#at - start;
    let more = 0;
    for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) more++;
    if (more > 0) {
      this.#room(more);
      this.#buf.copyWithin(start + more, start, start + length);
    }
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  /** What was written since the last time. */
  take(): Buffer {
    const bytes = Buffer.from(this.#buf.subarray(0, this.#at));
    this.#at = 0;
    return bytes;
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    this.#room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#buf[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buf[this.#at++] = rest;
  }

  /** Numbers are faster than a bigint: seven bytes of seven bits, then what is above them. */
  #varint64(value: bigint): void {
    if (value <= Number.MAX_SAFE_INTEGER) return this.#varint(Number(value));
    this.#room(10);
    let low = Number(BigInt.asUintN(49, value));
    for (let i = 0; i < 7; i++) {
      this.#buf[this.#at++] = (low % 0x80) | 0x80;
      low = Math.floor(low / 0x80);
    }
    this.#varint(Number(value >> 49n));
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buf.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    this.#buf.copy(larger, 0, 0, this.#at);
    this.#buf = larger;
  }
}
