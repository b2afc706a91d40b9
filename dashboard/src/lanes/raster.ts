/**
 * Pixels that are filled by our own hand: a hundred thousand short bars cost the canvas a
 * second, and an array a few milliseconds. Colours are opaque, as ImageData has them.
 */
export class Raster {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array<ArrayBuffer>;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height);
  }

  clear(colour: number): void {
    this.pixels.fill(colour);
  }

  /** At least one pixel wide; what lies outside is left out. */
  fill(x0: number, x1: number, y0: number, y1: number, colour: number): void {
    const from = Math.max(0, Math.floor(x0));
    const to = Math.min(this.width, Math.max(Math.ceil(x1), from + 1));
    const bottom = Math.min(this.height, y1);
    if (to <= from || x1 < 0) return;
    const { pixels, width } = this;
    for (let y = Math.max(0, y0); y < bottom; y++) {
      const row = y * width;
      // a call costs more than a few pixels
      if (to - from > 32) pixels.fill(colour, row + from, row + to);
      else for (let x = from; x < to; x++) pixels[row + x] = colour;
    }
  }

  /** One pixel wide. */
  column(x: number, y0: number, y1: number, colour: number): void {
    if (x < 0 || x >= this.width) return;
    const end = Math.min(this.height, y1) * this.width;
    for (let at = Math.max(0, y0) * this.width + x; at < end; at += this.width) {
      this.pixels[at] = colour;
    }
  }

  /** Diagonal lines, which stand still however the bar is cut. */
  hatch(
    x0: number,
    x1: number,
    y0: number,
    y1: number,
    [ground, line]: readonly [number, number],
    pitch: number,
  ): void {
    const from = Math.max(0, Math.floor(x0));
    const to = Math.min(this.width, Math.max(Math.ceil(x1), from + 1));
    const bottom = Math.min(this.height, y1);
    if (to <= from || x1 < 0) return;
    const { pixels, width } = this;
    for (let y = Math.max(0, y0); y < bottom; y++) {
      const row = y * width;
      let phase = (from + y) % pitch;
      for (let x = from; x < to; x++) {
        pixels[row + x] = phase === 0 ? line : ground;
        if (++phase === pitch) phase = 0;
      }
    }
  }
}

/** `#rrggbb` laid over another with so much of it, as a pixel of ImageData (little endian). */
export function pixel(colour: string, alpha = 1, ground = colour): number {
  const part = (at: number) => {
    const [a, b] = [colour, ground].map((text) => Number.parseInt(text.slice(at, at + 2), 16));
    return Math.round(a! * alpha + b! * (1 - alpha));
  };
  return ((255 << 24) | (part(5) << 16) | (part(3) << 8) | part(1)) >>> 0;
}
