import type { AnswerNode } from "../core/keys-store.js";
import type { KeysAction } from "../core/types.js";
import type { EtcdErrorCode } from "../util/errors.js";

/** The result of an operation of the store, and the event for its watchers. */
export interface StoreEvent {
  readonly action: KeysAction;
  /** The key's path in the store. */
  readonly path: string;
  /** The store's index after the operation. */
  readonly index: number;
  readonly node: AnswerNode;
  readonly prevNode?: AnswerNode | undefined;
  /** Whether it is a refresh: it takes a place in the history, but no watcher gets it. */
  readonly refresh?: true | undefined;
}

/** Why the store refused an operation. */
export interface StoreError {
  readonly errorCode: EtcdErrorCode;
  /** The cause in etcd's error; "" if it has none. */
  readonly cause: string;
  readonly index: number;
}

/** Whether the store refused the operation. */
export function isError(result: object): result is StoreError {
  return "errorCode" in result;
}
