// Footprint: what a step looked at and what it changed, as far as the order of two steps could
// matter. Places are strings that the instruments make up; a set of them is a bit mask.

export interface Footprint {
  readonly reads: number;
  readonly writes: number;
}

/** Every step has it among what it reads, so that a step that changed everything meets it. */
const ANY_STEP = 1;
const EVERYTHING = -1;
/** Bits left for places. Places that share a bit only look more dependent than they are. */
const PLACE_BITS = 31;

/** May the order of two steps matter? */
export function areDependent(a: Footprint, b: Footprint): boolean {
  return (a.writes & (b.reads | b.writes)) !== 0 || (b.writes & a.reads) !== 0;
}

/** Gives places their bits: the same in every execution of a scenario. */
export class Places {
  readonly #bits = new Map<string, number>();

  bitOf(place: string): number {
    let bit = this.#bits.get(place);
    if (bit === undefined) {
      bit = 1 << (1 + (this.#bits.size % PLACE_BITS));
      this.#bits.set(place, bit);
    }
    return bit;
  }
}

/** Collects the footprint of the step under way. */
export class FootprintRecorder {
  readonly #places: Places;
  #reads = ANY_STEP;
  #writes = 0;
  #changedEverything = false;

  constructor(places: Places) {
    this.#places = places;
  }

  /** `alreadySeen`: what the one who makes the step saw in earlier ones, and may depend on. */
  begin(alreadySeen: number): void {
    this.#reads = ANY_STEP | alreadySeen;
    this.#writes = 0;
    this.#changedEverything = false;
  }

  read(place: string): void {
    this.#reads |= this.#places.bitOf(place);
  }

  write(place: string): void {
    this.#writes |= this.#places.bitOf(place);
  }

  /** Something that any other step may depend on. */
  writeEverything(): void {
    this.#changedEverything = true;
  }

  get changedEverything(): boolean {
    return this.#changedEverything;
  }

  /** The places named so far. */
  get seen(): number {
    return this.#reads | this.#writes;
  }

  end(): Footprint {
    const writes = this.#changedEverything ? EVERYTHING : this.#writes;
    return { reads: this.#reads, writes };
  }
}
