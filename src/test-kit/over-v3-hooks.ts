import type { ResolveHook } from "node:module";

const replaced = new URL("../core/client.js", import.meta.url).href;
const replacement = new URL("./client-by-v3.js", import.meta.url).href;

/** Puts a client that speaks v3 in the place of the client, for everybody but that one itself. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const resolved = await nextResolve(specifier, context);
  return resolved.url === replaced && context.parentURL !== replacement ? { ...resolved, url: replacement } : resolved;
};
