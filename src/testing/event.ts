import type { AnswerNode } from "../core/keys-store.js";
import type { KeysAction } from "../core/types.js";
import type { EtcdErrorCode } from "../util/errors.js";

/** What an operation of the store led to, and what watchers are told. */
export interface StoreEvent {
  readonly action: KeysAction;
  /** The key's path in the store. */
  readonly path: string;
  /** The store's index after it. */
  readonly index: number;
  readonly node: AnswerNode;
  readonly prevNode?: AnswerNode | undefined;
  /** A refresh: it takes a place in the history, and is told to nobody. */
  readonly refresh?: true | undefined;
}

/** Why the store refused an operation. */
export interface StoreError {
  readonly errorCode: EtcdErrorCode;
  /** "" for none. */
  readonly cause: string;
  readonly index: number;
}

/** Whether the store refused. */
export function isError(result: object): result is StoreError {
  return "errorCode" in result;
}
