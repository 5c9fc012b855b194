import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { Client } from "../core/client.js";
import { KeysAPI } from "../core/keys.js";
import { ClusterError } from "../util/errors.js";
import { errorCode } from "../util/plain-cause.js";

// runs in a process of its own, which has few file descriptors: two writes without a free one, then two with all of them.
// "load": from the first call on, so that nothing can be loaded; "connect": after a first call, so that all is loaded
const [, , program = "", url = ""] = process.argv;

async function write(client: Client): Promise<string> {
  return new KeysAPI(client).create("/k", "v").then(
    () => "created",
    (error: unknown) => {
      if (!(error instanceof ClusterError)) return String(error);
      return `${error.outcome} ${errorCode(error.errors[0]?.cause) ?? ""}`;
    },
  );
}

const results: string[] = [];
const files: number[] = [];
if (program === "connect") {
  await using client = new Client({ endpoints: [url] });
  await write(client);
}
try {
  for (;;) files.push(openSync(devNull, "r"));
} catch {
  // none is left
}
const [first, second] = [new Client({ endpoints: [url] }), new Client({ endpoints: [url] })];
results.push(await write(first), await write(second));
for (const file of files) closeSync(file);
results.push(await write(first), await write(second));
await Promise.all([first.close(), second.close()]);
process.stdout.write(JSON.stringify(results));
