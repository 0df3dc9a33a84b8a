// ProblemList: what a check has found, in words. Of very many it keeps the first, and counts all.

/** Sentences that are kept. */
const PROBLEMS_MAX = 10_000;

export class ProblemList {
  readonly #sentences: string[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(sentence: string): void {
    if (this.#count++ < PROBLEMS_MAX) this.#sentences.push(sentence);
  }

  /** The sentences; the last one says how many others there are, if there are. */
  get sentences(): readonly string[] {
    const left = this.#count - this.#sentences.length;
    if (left === 0) return this.#sentences;
    return [...this.#sentences, `${left} more problems, which are not listed`];
  }
}
