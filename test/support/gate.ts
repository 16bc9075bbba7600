// A promise that a test opens by hand: the way to hold a scripted answer back without a sleep.

/** Holds whoever awaits `opened` until `open()` is called; opening twice is harmless. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/** Makes a closed gate. */
export function makeGate(): Gate {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
