/** Prometheus' text format (0.0.4), as `promtool check metrics` wants it. */

export type Labels = Readonly<Record<string, string>>;

/**
 * What was told of each counter, so that none ever goes back: Prometheus takes a smaller
 * value for a process that began anew, and counts all of it again. Some of ours may dip: a
 * line that was taken as lost arrives, an inode that was given up ends all the same.
 */
export class Told {
  readonly #most = new Map<string, number>();

  most(series: string, value: number): number {
    const before = this.#most.get(series);
    if (before !== undefined && before >= value) return before;
    this.#most.set(series, value);
    return value;
  }

  clear(): void {
    this.#most.clear();
  }
}

/** One family while it is written. */
export class Family {
  readonly #values = new Map<string, number>();

  /** Series of equal labels are one: an epoch may have had several plans. */
  add(labels: Labels, value: number): this {
    this.#more(labelText(labels), value);
    return this;
  }

  #more(series: string, value: number): void {
    this.#values.set(series, (this.#values.get(series) ?? 0) + value);
  }

  /** `edges`: of the buckets, as text; `below`: how many are below each, both ascending. */
  histogram(
    labels: Labels,
    edges: readonly string[],
    below: readonly number[],
    { count, sum }: { readonly count: number; readonly sum: number },
  ): void {
    const text = labelText(labels);
    const bucket = `_bucket${text.slice(0, -1)},le="`;
    edges.forEach((edge, i) => {
      this.#more(`${bucket}${edge}"}`, below[i]!);
    });
    this.#more(`${bucket}+Inf"}`, count);
    this.#more(`_sum${text}`, sum);
    this.#more(`_count${text}`, count);
  }

  get values(): Iterable<[string, number]> {
    return this.#values;
  }
}

export class Exposition {
  readonly #told: Told;
  readonly #lines: string[] = [];

  constructor(told: Told) {
    this.#told = told;
  }

  gauge(name: string, help: string, fill: (family: Family) => void): void {
    this.#family(name, 'gauge', help, fill);
  }

  /** By convention its name ends with `_total`. */
  counter(name: string, help: string, fill: (family: Family) => void): void {
    this.#family(name, 'counter', help, fill);
  }

  histogram(name: string, help: string, fill: (family: Family) => void): void {
    this.#family(name, 'histogram', help, fill);
  }

  #family(name: string, type: string, help: string, fill: (family: Family) => void): void {
    const family = new Family();
    fill(family);
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [rest, value] of family.values) {
      const series = `${name}${rest}`;
      // what a histogram has counted never goes back by itself
      const told = type === 'counter' ? this.#told.most(series, value) : value;
      this.#lines.push(`${series} ${told}`);
    }
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function labelText(labels: Labels): string {
  let text = '';
  for (const key in labels) text += `${text === '' ? '' : ','}${key}="${escaped(labels[key]!)}"`;
  return text === '' ? '' : `{${text}}`;
}

function escaped(value: string): string {
  return value.replace(/["\\\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}
