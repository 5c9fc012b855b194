import assert from "node:assert/strict";
import test from "node:test";
import { brand, brandError, hasBrand } from "./brand.js";

class ParentError extends Error {
  static {
    brandError(this, "test.ParentError");
  }
}
class ChildError extends ParentError {
  static {
    brandError(this, "test.ChildError");
  }
}
class UnbrandedError extends ParentError {}

/** What a second copy of the package would make. */
class CopyOfParent extends Error {
  static {
    brandError(this, "test.ParentError");
  }
}

test("brand: an object carries the brands of its class and of the parents", () => {
  const child = new ChildError("x");
  assert.ok(hasBrand(child, "test.ChildError"));
  assert.ok(hasBrand(child, "test.ParentError"));
  assert.ok(!hasBrand(new ParentError("x"), "test.ChildError"));
  for (const value of [undefined, null, "test.ParentError", {}, new Error("x")]) {
    assert.ok(!hasBrand(value, "test.ParentError"));
  }
});

test("brand: instanceof an error class goes by the brand, so that another copy's errors count (FF38)", () => {
  assert.ok(new CopyOfParent("x") instanceof ParentError);
  assert.ok(new ChildError("x") instanceof ParentError);
  assert.ok(!(new ParentError("x") instanceof ChildError));
  assert.ok(!(new Error("x") instanceof ParentError));
});

test("brand: a subclass without a brand of its own keeps the usual instanceof", () => {
  assert.ok(new UnbrandedError("x") instanceof UnbrandedError);
  assert.ok(new UnbrandedError("x") instanceof ParentError);
  assert.ok(!(new ParentError("x") instanceof UnbrandedError));
});

test("brand: an error has its name in the stack and no field of its own", () => {
  const error = new ChildError("words");
  assert.equal(error.name, "test.ChildError");
  assert.match(error.stack ?? "", /^test\.ChildError: words\n/);
  assert.deepEqual(Object.keys(error), []);
});

test("brand: classes that are not errors can be branded", () => {
  class Thing {
    readonly size = 1;
  }
  brand(Thing, "test.Thing");
  assert.ok(hasBrand(new Thing(), "test.Thing"));
});
