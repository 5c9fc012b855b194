import { consulClientSuite } from "../src/testing/consul-client-suite.js";
import { onRealConsul } from "./consul-support.js";

onRealConsul((start) => {
  consulClientSuite("real Consul", start);
});
