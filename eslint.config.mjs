// What ESLint checks. The table of layers says which room may import which, so that an editor shows a violation at its line.
import { posix } from "node:path";
import js from "@eslint/js";
import tseslint from "typescript-eslint";

/**
 * A row: files of one folder below src, and what they may import besides their own folder, as paths below src. `*` is one
 * file name; `type` means `import type` only. If two rows match a file, the later one applies.
 *
 * @type {readonly (readonly [files: string, mayImport: readonly string[]])[]}
 */
const table = [
  ["util/*", []],
  ["http/*", ["type core/call", "util/*"]],
  ["http/got/*", ["http/*", "util/*"]],
  ["http/undici/*", ["http/*", "util/*"]],
  ["core/*", ["core/cluster/*", "core/wire/*", "http/*", "http/got/*", "util/*"]],
  ["core/cluster/*", ["type http/exchange", "util/*"]],
  [
    "core/cluster/*attempt*",
    [
      "type http/exchange",
      "http/(network-error|redirects|require-response)",
      "core/wire/*",
      "core/cluster/*",
      "util/*",
    ],
  ],
  ["core/cluster/client-attempts", ["core/wire/*", "core/cluster/*", "type http/exchange", "util/*"]],
  [
    "core/wire/*",
    [
      "type core/(types(-stats)?|keys-options)",
      "type core/call",
      "type http/exchange",
      "util/(errors|changes-nothing|shorten|transient)",
    ],
  ],
  ["agent/*", ["util/*"]],
  ["election/*", ["core/index", "util/*"]],
  // The backend-neutral part of the elections, used by Consul and by locks.
  ["election/{lock,candidate,errors}*", ["util/*"]],
  ["discovery/*", ["core/index", "agent/index", "util/*"]],
  ["config/*", ["core/index", "agent/index", "util/*"]],
  ["consul/*", ["http/*", "http/got/*", "agent/index", "election/(lock|candidate|errors)*", "util/*"]],
  ["lock/*", ["core/index", "election/(lock|candidate|errors|etcd)*", "util/*"]],
  ["server/*", ["type http/exchange", "type core/(types|call|keys-store)", "core/wire/*", "util/*"]],
  ["v3/*", ["type http/exchange", "type core/(types|call|keys-store)", "server/responses", "util/*"]],
  // The fake's transport handles timeouts and signals by the same class as the others.
  [
    "testing/*",
    ["server/*", "http/pending-response", "type http/exchange", "type core/(types|call|keys-store)", "util/*"],
  ],
  ["cli/*", ["(core|server|v3)/index", "cli/commands/*", "cli/migrate/*"]],
  ["cli/commands/*", ["(core|server|v3)/index", "cli/*"]],
  // It writes v3 keys by the hundred, as v3Protocol lays them out.
  ["cli/migrate/*", ["(core|server)/index", "v3/*", "cli/*"]],
];

/** Packages, and the only files that may import them. Every file may import Node's modules, except in `core/wire/`, which is pure. */
const packages = { got: "http/got/*", undici: "http/undici/*", debug: "util/log", "p-limit": "*/**" };

/** Tests and test kits are exempt from the table and from the length limit. */
const tests = ["**/*.test.ts", "**/test-kit/**"];

const layers = tseslint.config(
  {
    files: ["src/**/*.ts"],
    rules: { "no-restricted-syntax": ["error", "ExportAllDeclaration", "ExportDefaultDeclaration"] },
  },
  {
    files: ["src/**/*.ts"],
    ignores: tests,
    rules: {
      "max-lines": ["error", 300],
      "@typescript-eslint/no-restricted-imports": ["error", "a folder without a row"],
    },
  },
  ...table.map(([files, mayImport]) => ({
    files: [`src/${files}.ts`],
    ignores: tests,
    rules: { "@typescript-eslint/no-restricted-imports": ruleOf(files, mayImport) },
  })),
);

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", ".cache/", "coverage/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      // an abort rejects with whatever reason the caller gave
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      "@typescript-eslint/only-throw-error": "off",
    },
  },
  {
    files: ["**/*.test.ts"],
    rules: {
      // node:test's functions return promises that it awaits itself
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        fetch: "readonly",
        setTimeout: "readonly",
        clearInterval: "readonly",
        setInterval: "readonly",
        clearTimeout: "readonly",
        URL: "readonly",
        AbortSignal: "readonly",
        AbortController: "readonly",
        Buffer: "readonly",
        performance: "readonly",
      },
    },
    rules: { "no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }] },
  },
  {
    files: ["integration/site/in-page.js"],
    languageOptions: {
      sourceType: "script",
      globals: {
        document: "readonly",
        window: "readonly",
        getComputedStyle: "readonly",
        NodeFilter: "readonly",
        SVGElement: "readonly",
      },
    },
  },
  layers,
);

/**
 * @param {string} files
 * @param {readonly string[]} mayImport
 * @returns {["error", { patterns: object[] }]}
 */
function ruleOf(files, mayImport) {
  const folder = posix.dirname(files);
  const own = /** @type {string} */ (files.split("/").at(-1)).replace(
    /\{(.*)\}/,
    (_all, names) => `(${names.replaceAll(",", "|")})`,
  );
  const types = mayImport.filter((entry) => entry.startsWith("type ")).map((entry) => entry.slice("type ".length));
  const values = [`${folder}/${own}`, ...mayImport.filter((entry) => !entry.startsWith("type "))];
  const ours = Object.entries(packages).filter(
    ([, users]) => users === "*/**" || users === files || users.startsWith(`${folder}/`),
  );
  const free = ["node:.*", ...ours.map(([name]) => name)].filter(
    (name) => folder !== "core/wire" || name !== "node:.*",
  );
  const patterns = [
    {
      regex: `^(?!(${[...values, ...types].map((path) => pattern(folder, path)).join("|")}|${free.join("|")})$)`,
      message: `${folder}/ may not import this (eslint.config.mjs has the table).`,
    },
    ...(types.length === 0
      ? []
      : [
          {
            regex: `^(${types.map((path) => pattern(folder, path)).join("|")})$`,
            allowTypeImports: true,
            message: `${folder}/ may import only types of this.`,
          },
        ]),
  ];
  return ["error", { patterns }];
}

/**
 * The regular expression for an import of `path` from `folder`, both below src.
 *
 * @param {string} folder
 * @param {string} path
 */
function pattern(folder, path) {
  const relative = posix.relative(folder, path);
  const specifier = relative.startsWith(".") ? relative : `./${relative}`;
  return `${specifier.replaceAll(".", "\\.").replaceAll("*", "[\\w-]*")}\\.js`;
}
