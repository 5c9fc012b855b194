/** Orders two texts by their UTF-8 bytes, as Go does: JavaScript's own order differs for characters above U+FFFF. */
export function compareBytes(a: string, b: string): number {
  if (surrogates.test(a) || surrogates.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}

const surrogates = /[\ud800-\udfff]/;
