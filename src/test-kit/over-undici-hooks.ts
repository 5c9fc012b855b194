import type { ResolveHook } from "node:module";

const replaced = new URL("../http/got/got-exchange.js", import.meta.url).href;
const replacement = new URL("./got-by-undici.js", import.meta.url).href;

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const resolved = await nextResolve(specifier, context);
  return resolved.url === replaced ? { ...resolved, url: replacement } : resolved;
};
