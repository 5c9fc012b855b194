/** Values that were deeply frozen here. */
const frozen = new WeakSet();

/** A deeply frozen copy; a value that was frozen here before is returned as it is. */
export function frozenCopy<T extends object>(value: T): T {
  return frozen.has(value) ? value : deepFreeze(structuredClone(value));
}

function deepFreeze<T extends object>(value: T): T {
  for (const each of Object.values(value)) if (typeof each === "object" && each !== null) deepFreeze(each);
  frozen.add(value);
  return Object.freeze(value);
}
