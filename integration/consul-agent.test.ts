import { consulAgentSuite } from "../src/testing/consul-agent-suite.js";
import { onRealConsul } from "./consul-support.js";

onRealConsul((start) => {
  consulAgentSuite("real Consul", start);
});
