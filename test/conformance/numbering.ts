// Numbering: what is the same on two sides except for the numbers themselves, cookies for example.

/** Numbers by the order in which they appear. */
export class Numbering {
  readonly #known = new Map<number, number>();

  of(number: number): number {
    const index = this.#known.get(number) ?? this.#known.size + 1;
    this.#known.set(number, index);
    return index;
  }
}
