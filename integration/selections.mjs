// Which test files the runs of scripts/tasks.mjs take, by their paths below dist/src or dist/integration, and with which settings.

/** Run again over undici: what goes to the network, or to etcd, through the core. Not what tests got's own path. */
export const overUndici = {
  src: /^(?:core\/(?:cluster\/)?[\w-]+|http\/(?:got\/(?=got-loading))?[\w-]+)\.test\.js$/,
  integration:
    /^(?:auth|cluster|diagnostics|keys|members|mirror|mistakes-(?:calls|connections)|namespace|no-v2|properties|proxy|proxy-variables|readiness|shared-watch|srv|tls(?:-faults)?|typed-keys|v3-(?:keys|watch)|watch(?:-[a-z-]+)?)\.test\.js$/,
};

/** Integration tests for etcd 3.3, which has no v3 gateway at /v3. */
export const withoutGateway = /^(?!consumers\/|site\/|migrate|serve|stores|v2-server|v3-)/;

/** Layers whose integration tests hold over v3, without a v2 API on the server. */
export const overV3 = {
  /** In `npm test`: a few quick files, each of which uses something else of v3. */
  quick: /^(?:election-safety|lock|mirror|namespace|config-etcd|discovery-subscribe|watch-started-over)\.test\.js$/,
  /** In `npm run integration:v3`: the suites of mirrors (V75), elections (V76), discovery, agents and configuration (V77), and others. */
  all: /^(?:agent(?:-bridge)?|cluster(?:-id)?|config-(?:api|etcd|outage)|discovery-[a-z]+|election(?:-(?:faults|safety|store))?|lock|mirror|namespace|shared-watch|typed-keys|watch-started-over)\.test\.js$/,
};

/** Tests of `v3Protocol()` itself. Each starts clusters of both versions without v2. */
export const ofV3 = {
  /** In `npm run integration:v3`. */
  all: /^v3-[a-z]+\.test\.js$/,
  /** Those whose clusters may have several members: in `npm run integration:v3` once more on three. */
  several: /^v3-(?:auth|keys|layers|many|requests|tokens|watch)\.test\.js$/,
  /** Of these in `npm test`. */
  quick: /^v3-(?:keys|watch)\.test\.js$/,
};

/** For clusters of three members. */
export const onThreeMembers = { ETCD2_TEST_MEMBERS: "3" };

/** A short safety run, the same each time; its seed is in the name of its test. */
export const shortSafety = { ELECTION_SAFETY_SECONDS: "20", ELECTION_SAFETY_SEED: "20161" };
