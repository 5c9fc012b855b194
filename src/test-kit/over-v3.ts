import { register } from "node:module";

// node --import this: clients of tests that specify no protocol speak v3.
register("./over-v3-hooks.js", import.meta.url);
