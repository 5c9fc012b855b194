import { StringDecoder } from "node:string_decoder";
import { onceAborted } from "./io.js";

/**
 * The lines of a stream, without their ends. Reads on only when the last line has been taken: node:readline keeps a
 * thousand lines, however long they are.
 *
 * @throws the signal's reason, when it aborts
 */
export async function* linesOf(
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder("utf8");
  const chunks = input[Symbol.asyncIterator]();
  const aborted = onceAborted(signal);
  let rest = "";
  for (;;) {
    const result = await Promise.race([chunks.next(), aborted]);
    if (result.done === true) break;
    const { value } = result;
    const lines = (rest + (typeof value === "string" ? value : decoder.write(value))).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  rest += decoder.end();
  if (rest !== "") yield rest;
}
