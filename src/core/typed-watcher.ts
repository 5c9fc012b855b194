import type { Codec } from "./codec.js";
import { typedNode, typedPrevNode, type RemovingAction, type TypedEvent } from "./typed-types.js";
import type { KeysAction } from "./types.js";
import type { Watcher } from "./watcher.js";

/** Delivers the changes of a key, or of all keys below it, with decoded values. Made by `TypedKeys.watcher`. */
export class TypedWatcher<T> {
  readonly #watcher: Watcher;
  readonly #codec: Codec<T>;

  /** For `TypedKeys.watcher`. */
  constructor(watcher: Watcher, codec: Codec<T>) {
    this.#watcher = watcher;
    this.#codec = codec;
  }

  /**
   * Waits for the next event, as `Watcher.next` does, and rejects as that does.
   *
   * @throws {DecodeError} the event's value cannot be decoded; the next call goes on with the event after it
   */
  async next(signal?: AbortSignal): Promise<TypedEvent<T>> {
    const { action, node, prevNode, ...rest } = await this.#watcher.next(signal);
    const before = await typedPrevNode(this.#codec, prevNode);
    if (!isRemoving(action)) return { ...rest, action, node: await typedNode(this.#codec, node), ...before };
    const { value: _none, nodes: _nodes, ...removed } = node;
    return { ...rest, action, node: removed, ...before };
  }

  /**
   * Calls `next` again and again. Ends by throwing what `next` rejects with; a new iteration, or `next`, goes on where
   * it was.
   */
  async *events(signal?: AbortSignal): AsyncGenerator<TypedEvent<T>, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  /** The same as {@link events} without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<TypedEvent<T>, void, undefined> {
    return this.events();
  }
}

function isRemoving(action: KeysAction): action is RemovingAction {
  return action === "delete" || action === "expire" || action === "compareAndDelete";
}
