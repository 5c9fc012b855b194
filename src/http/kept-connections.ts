// What all transports hold to where connections are kept for the next request.

/** An idle connection is dropped after 30 s, before most proxies would: a write on one that was just closed has an unknown outcome. */
export const idleConnectionMs = 30_000;

/** How long a connection may be silent before the system asks whether the other side is still there: what ends a watch of a host that has vanished. */
export const tcpKeepAliveMs = 30_000;

/** How many connections that the server had closed meanwhile a read may meet before that is a failure. */
export const maxStaleConnections = 2;
