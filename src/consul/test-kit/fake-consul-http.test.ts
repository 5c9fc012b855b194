import { consulClientSuite } from "./consul-client-suite.js";
import { fakeServers } from "./consul-server.js";

consulClientSuite("fake", fakeServers());
