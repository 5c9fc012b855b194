import { log } from "../util/log.js";

/**
 * From now on logs a curl line for every request to stderr, as `DEBUG=etcd2:curl` does. The lines contain the values that are
 * written; passwords and other credentials are shown as `***`.
 */
export function enableCurlDebug(): void {
  log.curl.enabled = true;
}

/** Ends what {@link enableCurlDebug} or `DEBUG=etcd2:curl` began. */
export function disableCurlDebug(): void {
  log.curl.enabled = false;
}
