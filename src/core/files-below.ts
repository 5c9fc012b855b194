/** The key as etcd spells it: requests may leave out the slash at the front. */
export function rooted(key: string): string {
  return key.startsWith("/") ? key : `/${key}`;
}

/** The files below a directory, at any depth, sorted by key. */
export function filesBelow<File extends { readonly key: string }>(
  files: ReadonlyMap<string, File>,
  dir: string,
): readonly File[] {
  const start = `${rooted(dir).replace(/\/+$/, "")}/`;
  const below: File[] = [];
  for (const file of files.values()) if (file.key.startsWith(start)) below.push(file);
  return below.sort((one, other) => (one.key < other.key ? -1 : 1));
}
