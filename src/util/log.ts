import debug from "debug";

/** The package's `debug` channels, on stderr. Keys, statuses and origins go here; values, headers and credentials never. */
export const log = {
  http: debug("etcd2:http"),
  curl: debug("etcd2:curl"),
  client: debug("etcd2:client"),
  sync: debug("etcd2:sync"),
  watch: debug("etcd2:watch"),
  config: debug("etcd2:config"),
  discovery: debug("etcd2:discovery"),
  election: debug("etcd2:election"),
  consul: debug("etcd2:consul"),
} as const;
