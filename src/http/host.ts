/**
 * The host to connect to: a URL's hostname without the brackets of an IPv6 address. An IPv4 address that is written as
 * an IPv6 one (`::ffff:127.0.0.1`) becomes the IPv4 address, which is what the server's certificate lists.
 */
export function hostOf(hostname: string): string {
  if (!hostname.includes(":")) return hostname;
  const [, high = "", low = ""] = /^\[?::ffff:([\da-f]{1,4}):([\da-f]{1,4})\]?$/.exec(hostname) ?? [];
  if (high === "") return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}
