/** A range of v3 keys: one key, or all from `key` up to `rangeEnd`, which is not part of it. */
export interface KeyRange {
  readonly key: string;
  readonly rangeEnd?: string | undefined;
}

/** The value of a marker that is made only to be deleted: watchers see only its end. All others are empty. */
export const beingDeleted = "deleting";

/** A key with more segments than this cannot be written: the transaction would have more than 128 operations. */
export const maxSegments = 60;

/**
 * Where v2 keys lie in the v3 store. The file "/a/b" is the key "/a/b". The directory "/a" is its marker "/a/", an empty
 * key, or any key below it.
 */
export class Layout {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** The key of a file. */
  file(key: string): string {
    return this.#namespace + key;
  }

  /** The marker of a directory. */
  marker(key: string): string {
    return key === "/" ? `${this.#namespace}/` : `${this.#namespace}${key}/`;
  }

  /** The marker of a directory, and all below it. */
  below(key: string): KeyRange {
    const marker = this.marker(key);
    return { key: marker, rangeEnd: afterAll(marker) };
  }

  /** All below a directory, without its marker. */
  inside(key: string): KeyRange {
    const marker = this.marker(key);
    return { key: `${marker}\0`, rangeEnd: afterAll(marker) };
  }

  /**
   * The v2 key of a v3 key, and whether that is a marker. Undefined for a foreign key that no v2 key can be: outside the
   * namespace, or with an empty, "." or ".." segment.
   */
  parse(v3Key: string): { readonly key: string; readonly isMarker: boolean } | undefined {
    if (!v3Key.startsWith(`${this.#namespace}/`)) return undefined;
    const path = v3Key.slice(this.#namespace.length);
    if (path === "/") return { key: "/", isMarker: true };
    const isMarker = path.endsWith("/");
    const key = isMarker ? path.slice(0, -1) : path;
    return unusable.test(key) ? undefined : { key, isMarker };
  }
}

const unusable = /\/(?:\.{0,2})(?:\/|$)|\ufffd/;

/** The directories on the way to a key, from the top, without the root: "/a" and "/a/b" for "/a/b/c". */
export function ancestorsOf(key: string): readonly string[] {
  const ancestors: string[] = [];
  for (let end = key.indexOf("/", 1); end >= 0; end = key.indexOf("/", end + 1)) ancestors.push(key.slice(0, end));
  return ancestors;
}

/** The segments of a v2 key; the root has none. */
export function segmentsOf(key: string): readonly string[] {
  return key === "/" ? [] : key.slice(1).split("/");
}

/** The key after all that begin with a marker: its last character is a slash, the next one is "0". */
export function afterAll(marker: string): string {
  return `${marker.slice(0, -1)}0`;
}

/** Whether an element of `key` below `ancestor` is hidden. */
export function isHiddenBelow(ancestor: string, key: string): boolean {
  return key.slice(ancestor === "/" ? 0 : ancestor.length).includes("/_");
}

/** The base64 of a text's UTF-8, as the gateway wants keys and values. */
export function base64(text: string): string {
  // no character of UTF-16 takes more than three bytes
  if (text.length * 3 > scratch.length) return Buffer.from(text, "utf8").toString("base64");
  return scratch.toString("base64", 0, scratch.write(text, 0, "utf8"));
}

/** The text of base64; bytes that are not UTF-8 become U+FFFD. */
export function fromBase64(text: string): string {
  if (text === "") return "";
  if (text.length > scratch.length) return Buffer.from(text, "base64").toString("utf8");
  return scratch.toString("utf8", 0, scratch.write(text, 0, "base64"));
}

/** For short texts: a buffer for each would take most of the time of a listing. */
const scratch = Buffer.allocUnsafeSlow(4_096);

/** The order of the UTF-8 bytes, which is the one of UTF-16 but for characters above U+FFFF. */
export function compareBytes(a: string, b: string): number {
  if (surrogates.test(a) || surrogates.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}

const surrogates = /[\ud800-\udfff]/;
