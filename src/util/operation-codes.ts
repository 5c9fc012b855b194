import { badArgument, show } from "./validate.js";

/** The numbers of some operations: by name (`codes.add`), and as a function (`codes("add")`). */
export type OperationCodes<Operation extends string, Code extends number> = ((op: Operation) => Code) &
  Readonly<Record<Operation, Code>>;

/**
 * Makes a function of a table of numbers, with the table's fields. Frozen.
 *
 * @throws {UsageError} the function, for a name that is not in the table
 */
export function operationCodes<Operation extends string, Code extends number>(
  table: Readonly<Record<Operation, Code>>,
): OperationCodes<Operation, Code> {
  const code = (op: Operation): Code => {
    if (!Object.hasOwn(table, op)) {
      const names = Object.keys(table).map((name) => JSON.stringify(name));
      badArgument(`op must be ${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}, got ${show(op)}`);
    }
    return table[op];
  };
  return Object.freeze(Object.assign(code, table));
}
