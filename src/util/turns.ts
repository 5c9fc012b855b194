interface Waiting {
  readonly go: () => void;
  next: Waiting | undefined;
}

/** Lets so many run at once; the others wait their turn, in the order in which they came. */
export class Turns {
  #free: number;
  #first: Waiting | undefined;
  #last: Waiting | undefined;

  /** @param atOnce at least 1; `Infinity` for no limit */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Whether the next to come has to wait. */
  get busy(): boolean {
    return this.#free === 0;
  }

  /** Settles as the work does. It is the work's own matter to see, when its turn comes, that nobody waits for it any more. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else
      await new Promise<void>((go) => {
        this.#enqueue({ go, next: undefined });
      });
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  #enqueue(waiting: Waiting): void {
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
  }

  #pass(): void {
    const waiting = this.#first;
    if (waiting === undefined) {
      this.#free++;
      return;
    }
    this.#first = waiting.next;
    if (this.#first === undefined) this.#last = undefined;
    waiting.next = undefined;
    waiting.go();
  }
}
