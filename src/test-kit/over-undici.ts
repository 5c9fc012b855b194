// node --import this: every client of the process and of its child processes uses undici instead of got.
import { register } from "node:module";

register("./over-undici-hooks.js", import.meta.url);
