/** The segments of a key, or of a prefix: what stands between slashes, empty ones left out. */
export function segmentsOf(key: string): readonly string[] {
  return key.split("/").filter((segment) => segment !== "");
}

/** The key with one slash before each segment and none at the end; "" for the root. */
export function cleanKey(key: string): string {
  return segmentsOf(key)
    .map((segment) => `/${segment}`)
    .join("");
}

/**
 * The path of a key under a prefix: one slash between segments, a trailing one kept (with auth on, `/a` and `/a/` differ),
 * each segment percent-encoded once. Keys are never decoded first: `%2F` in a key is those three characters.
 */
export function keyPath(prefix: string, key: string): string {
  // nearly every key is plain
  if (plain.test(key) && plain.test(prefix)) return prefix + key;
  const path = [...segmentsOf(prefix), ...segmentsOf(key)].map((segment) => `/${encodeURIComponent(segment)}`).join("");
  return key.endsWith("/") || path === "" ? `${path}/` : path;
}

/** Segments that are written as they are, with one slash before each. */
const plain = /^(?:\/[\w.~-]+)+$/;

/** The keys below which a prefix lies: "/app" for "/v2/keys/app". "" if it is not a namespace. */
export function namespaceOf(prefix: string): string {
  const [v2, keys, ...below] = segmentsOf(prefix);
  return v2 === "v2" && keys === "keys" ? below.map((segment) => `/${segment}`).join("") : "";
}
