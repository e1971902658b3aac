/** The answer to a batch, as far as replay is interested. */
export type ItemResult =
  | { readonly kind: 'decided'; readonly held: boolean; readonly degraded: boolean; readonly repeated: boolean }
  | { readonly kind: 'refused'; readonly code: string };

/** One item of the answer as the API sends it; see docs/api.md. */
interface BatchItem {
  readonly decision?: { readonly action: 'allow' | 'hold'; readonly degraded: readonly string[] };
  readonly idempotentReplay?: boolean;
  readonly problem?: { readonly code: string };
}

export function readBatch(text: string): ItemResult[] {
  const { results } = JSON.parse(text) as { results: readonly BatchItem[] };
  return results.map(({ decision, idempotentReplay, problem }) =>
    decision === undefined
      ? { kind: 'refused', code: problem?.code ?? 'internal' }
      : {
          kind: 'decided',
          held: decision.action === 'hold',
          degraded: decision.degraded.length > 0,
          repeated: idempotentReplay === true,
        },
  );
}
