import { consulAgentSuite } from "../src/consul/test-kit/consul-agent-suite.js";
import { onRealConsul } from "./consul-support.js";

onRealConsul((start) => {
  consulAgentSuite("real Consul", start);
});
