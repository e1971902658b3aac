/** Whom replay sends to: batches of payments and single labels, and what became of them. Over HTTP they are sent again until they are answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, failed, unreachable, wrongUsage } from '../../config/exit.ts';
import { type ItemResult, readBatch } from './answer.ts';

/** A payment is idempotent by its id and a label by its content, so sending again after a lost reply changes nothing. */
const attemptsMax = 8;
/** Nobody listens there: that seldom changes while one waits. */
const refusedConnectionsMax = 3;
const backoffMsFirst = 100;
const backoffMsMax = 5000;
const requestTimeoutMs = 30_000;
const deadlineMs = 5000;

/** Both throw CommandError: unreachable (3) when nothing answers after all attempts, wrong usage (2) for a refused key. */
export interface ReplayTarget {
  /** One payment's JSON each, at most 500; the results in the same order. */
  decide(payments: readonly string[]): Promise<readonly ItemResult[]>;
  /** @returns whether it was taken */
  label(label: string): Promise<boolean>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const backoffMs = (attempt: number): number => Math.min(backoffMsMax, backoffMsFirst * 2 ** attempt);

function retryAfterMs(response: Response, attempt: number): number {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, backoffMsMax) : backoffMs(attempt);
}

/** fetch hides the system's reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.message;
}

export function createApiClient(baseUrl: string, key: string | undefined): ReplayTarget {
  const headers = {
    'content-type': 'application/json',
    'holdfast-deadline-ms': String(deadlineMs),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };

  async function postOnce(
    path: string,
    body: string,
    attempt: number,
  ): Promise<Answer | { retryInMs: number; reason: string }> {
    const signal = AbortSignal.timeout(requestTimeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, baseUrl), { method: 'POST', headers, body, signal });
      text = await response.text();
    } catch (error) {
      return { retryInMs: backoffMs(attempt), reason: reasonOf(error) };
    }
    const { status } = response;
    if (status === 401 || status === 403) {
      throw wrongUsage(`${baseUrl} refuses the API key (HTTP ${status}): give it with --key or HOLDFAST_API_KEY.`);
    }
    return status === 429 || status === 503
      ? { retryInMs: retryAfterMs(response, attempt), reason: `HTTP ${status}` }
      : { status, text };
  }

  async function post(path: string, body: string): Promise<Answer> {
    let reason = '';
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const answer = await postOnce(path, body, attempt);
      if ('status' in answer) return answer;
      reason = answer.reason;
      if (reason === 'ECONNREFUSED' && attempt + 1 >= refusedConnectionsMax) break;
      await sleep(answer.retryInMs);
    }
    throw unreachable(
      `No Holdfast answers at ${baseUrl} (${reason}). Start one with \`npm start\`, or name another with --url.`,
    );
  }

  return {
    async decide(payments) {
      const { status, text } = await post('/v1/decisions/batch', `[${payments.join(',')}]`);
      if (status !== 200) throw failed(`${baseUrl} refused a batch (HTTP ${status}): ${text.slice(0, 300)}`);
      const results = readBatch(text);
      if (results.length !== payments.length)
        throw new CommandError(1, `${baseUrl} answered ${results.length} of ${payments.length} payments.`);
      return results;
    },
    async label(label) {
      const { status } = await post('/v1/labels', label);
      return status < 300;
    },
    close: () => Promise.resolve(),
  };
}
