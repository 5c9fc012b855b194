import { register } from "node:module";

// Tests whose clients have no protocol of their own speak v3: for node --import.
register("./over-v3-hooks.js", import.meta.url);
