/** Numbers that look random and are the same in every run: Steele and Vigna's splitmix32. */
export type Random = () => number;

/** Numbers from 0 up to but not 1, decided by the seed alone. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix(state) / 2 ** 32;
  };
}

/** A whole number below `n`. */
export function below(random: Random, n: number): number {
  return Math.floor(random() * n);
}

/** 32 bits that depend on every bit of a 32-bit number. */
export function mix(value: number): number {
  let z = value >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
