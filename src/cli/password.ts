import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { BadUsage, Interrupted, onceAborted, type Io } from "./io.js";

/**
 * Asks for a password on the terminal, without showing it.
 *
 * @param variable where the password can be put instead
 * @throws {BadUsage} there is no terminal to ask on
 */
export async function askPassword(prompt: string, { stdin, stderr, signal }: Io, variable: string): Promise<string> {
  if (stdin.isTTY !== true) throw new BadUsage(`there is no terminal to ask for the password: set ${variable}`);
  const silent = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  // the terminal is in raw mode until the end: what is typed is not echoed, and Ctrl-C comes as a key
  const reader = createInterface({ input: stdin, output: silent, terminal: true });
  try {
    const typed = new Promise<string>((resolve, reject) => {
      reader.question("", resolve);
      reader.once("SIGINT", () => {
        reject(new Interrupted(130));
      });
      reader.once("close", () => {
        reject(new BadUsage("no password was given"));
      });
    });
    // printed last: from now on the terminal does not echo input
    stderr.write(prompt);
    return await Promise.race([typed, onceAborted(signal)]);
  } finally {
    reader.close();
    stderr.write("\n");
  }
}
