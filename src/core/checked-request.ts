import type { RequestSpec } from "../http/exchange.js";

/**
 * Marks a request as one that need not be checked: made by our own code from checked arguments. A copy of it is not
 * marked. No other code can set or copy the mark: it is a private field.
 */
export function checked(spec: RequestSpec): RequestSpec {
  return new Checked(spec) as unknown as RequestSpec;
}

/** Whether it was marked by {@link checked}. */
export function isChecked(spec: RequestSpec): boolean {
  return Checked.has(spec);
}

/** Has its constructor return the object given, so that the fields of a subclass are put on that. */
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- a base class with a constructor is the way to do this
class Given {
  constructor(object: object) {
    return object;
  }
}

class Checked extends Given {
  readonly #isChecked = true;

  static has(spec: unknown): boolean {
    return typeof spec === "object" && spec !== null && #isChecked in spec;
  }
}
