// What holds for the connections of every transport.

/**
 * An idle connection is closed after 30 s, sooner than most proxies do: a write on a connection that was just closed
 * has an unknown outcome. In ms.
 */
export const idleConnectionMs = 30_000;

/** After this silence the system probes whether the other side still exists: this ends a watch on a host that has vanished. In ms. */
export const tcpKeepAliveMs = 30_000;

/**
 * How long to wait for one address of a name that has several, before the next is tried; in ms. Node's own 250 ms are less
 * than a round trip to a distant host, so that a name with two addresses would fail where one of them alone works.
 */
export const addressTimeoutMs = 1_000;

/** The largest body that is accepted when `limits.bodyBytes` is absent: 128 MiB. */
export const defaultMaxBodyBytes = 128 * 2 ** 20;
