import { abortable } from "../util/signals.js";

/** While it is closed, callers wait. */
export class Gate {
  #closed: { readonly opened: Promise<void>; readonly open: () => void } | undefined;

  close(): void {
    if (this.#closed !== undefined) return;
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#closed = { opened, open };
  }

  open(): void {
    this.#closed?.open();
    this.#closed = undefined;
  }

  /** Resolves when it is open. Rejects with the signal's reason. */
  async passed(signal: AbortSignal | undefined): Promise<void> {
    while (this.#closed !== undefined) await abortable(this.#closed.opened, signal);
  }
}
