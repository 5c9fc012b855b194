import { createDiscovery, type Discovery } from "./discovery.js";

const discovery = createDiscovery();

/** {@link Discovery.register} with the etcd that the environment describes; see `client`. */
export const register: Discovery["register"] = (...args) => discovery.register(...args);

/** {@link Discovery.get} with the etcd that the environment describes; see `client`. */
export const get: Discovery["get"] = (...args) => discovery.get(...args);

/** {@link Discovery.getForShard} with the etcd that the environment describes; see `client`. */
export const getForShard: Discovery["getForShard"] = (...args) => discovery.getForShard(...args);

/** {@link Discovery.subscribe} with the etcd that the environment describes; see `client`. */
export const subscribe: Discovery["subscribe"] = (...args) => discovery.subscribe(...args);

/** {@link Discovery.subscribeNew} with the etcd that the environment describes; see `client`. */
export const subscribeNew: Discovery["subscribeNew"] = (...args) => discovery.subscribeNew(...args);

/** {@link Discovery.subscribeDown} with the etcd that the environment describes; see `client`. */
export const subscribeDown: Discovery["subscribeDown"] = (...args) => discovery.subscribeDown(...args);
