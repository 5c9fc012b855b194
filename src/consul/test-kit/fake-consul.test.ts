import { consulClientSuite } from "./consul-client-suite.js";
import { consulFaultsSuite } from "./consul-faults-suite.js";
import { fakeServers } from "./consul-server.js";

consulClientSuite("fake", fakeServers());
consulFaultsSuite("fake", fakeServers());
