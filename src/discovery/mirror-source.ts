import type { InstanceData, InstanceSource, SourceChange, SourceUpdate } from "../agent/index.js";
import type { KeyNode, Mirror, MirrorChange } from "../core/index.js";
import type { StalledWarning } from "../util/stalled-warning.js";

/** Follows the instances of one service by a mirror of its directory. */
export class MirrorSource implements InstanceSource {
  readonly #mirror: Mirror;
  readonly #stalled: StalledWarning;
  readonly #decode: (node: KeyNode) => readonly InstanceData[];
  readonly #byKey = new Map<string, readonly InstanceData[]>();

  /**
   * @param stalled warns if the first list does not come and the user has no handler
   * @param decode the instances in a file; warns of what it leaves out
   */
  constructor(mirror: Mirror, stalled: StalledWarning, decode: (node: KeyNode) => readonly InstanceData[]) {
    this.#mirror = mirror;
    this.#stalled = stalled;
    this.#decode = decode;
  }

  async next(signal: AbortSignal): Promise<SourceUpdate> {
    try {
      // the first call lists; later ones are long polls
      if (this.#mirror.index === 0) this.#stalled.start();
      return await this.#next(signal);
    } finally {
      this.#stalled.end();
    }
  }

  async #next(signal: AbortSignal): Promise<SourceUpdate> {
    for (;;) {
      const update = await this.#mirror.next(signal);
      const changes = update.changes.flatMap((change) => this.#take(change));
      if (update.kind === "list") return { kind: "state", instances: [...this.#byKey.values()].flat() };
      if (changes.length > 0) return { kind: "changes", changes };
    }
  }

  reread(): void {
    this.#mirror.resync();
  }

  #take({ type, node }: MirrorChange): readonly SourceChange[] {
    const before = this.#byKey.get(node.key) ?? [];
    const now = type === "set" ? this.#decode(node) : [];
    if (now.length === 0) this.#byKey.delete(node.key);
    else this.#byKey.set(node.key, now);
    const gone = before.filter(({ id }) => !now.some((instance) => instance.id === id));
    return [
      ...gone.map(({ id }) => ({ type: "remove", id }) as const),
      ...now.map((instance) => ({ type: "set", instance }) as const),
    ];
  }
}
