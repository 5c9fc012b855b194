import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import test from "node:test";
import { closeUnanswered, refusedUrl, reply, ScriptedServer } from "../test-kit/scripted-server.js";

const program = `
  import { AuthUserAPI, Client, disableCurlDebug, enableCurlDebug } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)};
  const [refused, url] = process.argv.slice(1);
  if (process.env.DEBUG === undefined) enableCurlDebug();
  const client = new Client({ endpoints: [url], username: "root", password: "root-secret" });
  const users = new AuthUserAPI(client);
  await users.add("eve", "user-secret");
  await users.changePassword("eve", "it's \\"new-secret");
  client.setEndpoints([refused]);
  await users.add("eve", "user-secret").catch(() => undefined);
  client.setEndpoints([url]);
  await users.add("eve", "user-secret").catch((error) => console.error(error, JSON.stringify(error)));
  disableCurlDebug();
  await users.list();
  await client.close();
`;

/** The stderr output of a process that uses passwords in every possible way. */
async function stderrOf(
  t: test.TestContext,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly output: string; readonly server: ScriptedServer; readonly refused: string }> {
  const server = await ScriptedServer.start(
    reply(201, { user: "eve" }),
    reply(200, { user: "eve" }),
    closeUnanswered(),
    reply(200, { users: [] }),
  );
  t.after(() => server.close());
  const refused = await refusedUrl();
  const { DEBUG: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, refused, server.url], {
    env: { ...inherited, ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const [output] = await Promise.all([text(child.stderr), once(child, "close")]);
  assert.equal(child.exitCode, 0, output);
  return { output, server, refused };
}

test("auth: enableCurlDebug prints a line per attempt, with masked passwords, until it is disabled (A119)", async (t) => {
  const { output, server, refused } = await stderrOf(t, {});
  const lines = output.split("\n").filter((line) => line.includes("curl -X"));
  assert.deepEqual(
    lines.map((line) => /curl -X PUT (\S+)\/v2\/auth\/users\/eve /.exec(line)?.[1]),
    [server.url, server.url, refused, server.url],
  );
  for (const line of lines) {
    assert.ok(line.includes(`-d '{"user":"eve","password":"***","roles":null}'`), line);
    assert.ok(line.includes("-u root:***"), line);
  }
  assert.doesNotMatch(output, /secret/);
  assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ""), { user: "eve", password: "user-secret", roles: null });
});

test("auth: DEBUG=etcd2:* prints no password on any channel (A119)", async (t) => {
  const { output } = await stderrOf(t, { DEBUG: "etcd2:*" });
  assert.match(output, /etcd2:curl .*"password":"\*\*\*"/);
  assert.match(output, /etcd2:http PUT /);
  assert.doesNotMatch(output, /secret|cm9vdDpyb290/);
});
