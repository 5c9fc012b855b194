import type { ResolveHook } from "node:module";

const replaced = new URL("../core/client.js", import.meta.url).href;
const replacement = new URL("./client-by-v3.js", import.meta.url).href;

/** Replaces the client by one that speaks v3, except in the import of that one itself. */
export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const resolved = await nextResolve(specifier, context);
  return resolved.url === replaced && context.parentURL !== replacement ? { ...resolved, url: replacement } : resolved;
};
