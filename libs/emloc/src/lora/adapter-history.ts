/** What an adapter was trained on and what was done to it; kept in its file's metadata, which PEFT passes over. */
export interface AdapterHistory {
  /** Digest of the original model. */
  readonly original?: string;
  /** Digest of the emulator that it was trained on. */
  readonly emulator?: string;
  /** Set once corrected: the method, with its limit or strength. */
  readonly correction?: { readonly method: string; readonly limit?: number; readonly strength?: number };
  /** Exact steps on the original after that. */
  readonly refinedSteps?: number;
}
