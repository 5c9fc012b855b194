/** What was frozen here to the last leaf. */
const frozen = new WeakSet();

/** A copy that nobody can change; of one that was made here, itself. */
export function frozenCopy<T extends object>(value: T): T {
  return frozen.has(value) ? value : deepFreeze(structuredClone(value));
}

function deepFreeze<T extends object>(value: T): T {
  for (const each of Object.values(value)) if (typeof each === "object" && each !== null) deepFreeze(each);
  frozen.add(value);
  return Object.freeze(value);
}
