import { EtcdErrorCode } from "../util/errors.js";
import type { StoreError } from "./event.js";
import { userKey, type TreeNode } from "./key-node.js";

/** What a conditional operation requires of a file; undefined: anything. */
export interface Condition {
  readonly prevValue?: string | undefined;
  readonly prevIndex?: string | undefined;
}

/** Why a node does not meet a condition: it is a directory, or what did not match. Undefined: it does. */
export function failedCondition(node: TreeNode, condition: Condition, index: number): StoreError | undefined {
  if (node.children !== undefined) return { errorCode: EtcdErrorCode.notFile, cause: userKey(node.path), index };
  const { prevValue, prevIndex } = condition;
  const causes: string[] = [];
  if (prevValue !== undefined && prevValue !== node.value) causes.push(`[${prevValue} != ${node.value}]`);
  const is = String(node.modifiedIndex);
  if (prevIndex !== undefined && prevIndex !== is) causes.push(`[${prevIndex} != ${is}]`);
  return causes.length === 0 ? undefined : { errorCode: EtcdErrorCode.compareFailed, cause: causes.join(" "), index };
}
