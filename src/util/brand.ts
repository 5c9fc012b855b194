/**
 * Marks a class, so that {@link hasBrand} recognizes its objects whichever copy of the package or realm (a vm context, a
 * test runner's sandbox) made them. Subclasses carry the brands of their parents.
 */
export function brand(branded: { readonly prototype: object }, name: string): void {
  Object.defineProperty(branded.prototype, symbolOf(name), { value: true });
}

/** Whether a value was made by the class branded with this name, or by a subclass of it. */
export function hasBrand(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null && symbolOf(name) in value;
}

/**
 * Gives an error class its name and its brand; to be called in a static block. The name is put on the prototype, so that
 * stacks begin with it and no error gets a field of its own. `instanceof` the class then goes by the brand.
 */
export function brandError(
  errorClass: (abstract new (...args: never) => Error) & { prototype: Error },
  name: string,
): void {
  brand(errorClass, name);
  Object.defineProperty(errorClass.prototype, "name", { value: name, configurable: true, writable: true });
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // a subclass inherits this method, but has a brand of its own, or none
      return this === errorClass ? hasBrand(value, name) : Function.prototype[Symbol.hasInstance].call(this, value);
    },
  });
}

function symbolOf(name: string): symbol {
  return Symbol.for(`etcd2.${name}`);
}
