import type { Answer } from "./subject.js";

/** Long polls, each from behind the event of the one before, until one fails: so they end when the subject is closed. */
export async function pollChain(
  afterIndex: number,
  onEvent: (value: string) => void,
  poll: (waitIndex: number) => Promise<Answer>,
): Promise<void> {
  try {
    for (let waitIndex = afterIndex === 0 ? 0 : afterIndex + 1; ;) {
      const { node } = await poll(waitIndex);
      waitIndex = node.modifiedIndex + 1;
      onEvent(node.value);
    }
  } catch {
    // closed
  }
}
