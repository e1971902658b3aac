/** The API as this page uses it. Every refusal is one `ApiError`; the page decides by its `kind`. */
const keyName = 'holdfast.key';
const requestMsMax = 15_000;

/** `kind`: `key` (401, 403), `missing` (404), `away` (503, 429, no connection, too slow), `refused` (the rest). */
export class ApiError extends Error {
  constructor(kind, message, retryAfterMs = 0) {
    super(message);
    this.name = 'ApiError';
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The key lives in this tab only. A link may carry it once as `#key=…`; it is taken out of the address at once. */
export function takeKeyFromAddress() {
  const match = /^#key=([^&]+)$/.exec(location.hash);
  if (match === null) return;
  try {
    sessionStorage.setItem(keyName, decodeURIComponent(match[1]));
  } catch {
    // A malformed link: the form asks for the key.
  }
  history.replaceState(null, '', location.pathname + location.search);
}

export const storedKey = () => sessionStorage.getItem(keyName) ?? '';
export const storeKey = (key) => sessionStorage.setItem(keyName, key);
export const forgetKey = () => sessionStorage.removeItem(keyName);

async function send(path, options) {
  try {
    return await fetch(path, { ...options, signal: AbortSignal.timeout(requestMsMax), cache: 'no-store' });
  } catch (error) {
    if (error.name === 'TimeoutError') throw new ApiError('away', 'The service takes too long to answer.');
    throw new ApiError('away', 'The service cannot be reached.');
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

function errorOf(response, problem) {
  const said = [problem.title, problem.detail].filter((text) => typeof text === 'string' && text !== '').join(': ');
  const text = said === '' ? `The service answered ${response.status}.` : said;
  if (response.status === 401 || response.status === 403) return new ApiError('key', text);
  if (response.status === 404) return new ApiError('missing', text);
  if (response.status === 429 || response.status >= 500) {
    return new ApiError('away', text, Number(response.headers.get('retry-after') ?? 0) * 1_000);
  }
  return new ApiError('refused', text);
}

async function call(path, options = {}) {
  const headers = { accept: 'application/json', authorization: `Bearer ${storedKey()}`, ...options.headers };
  const response = await send(path, { ...options, headers });
  const body = await readJson(response);
  if (!response.ok) throw errorOf(response, body);
  return body;
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

export const findDecisions = (filter) => call(`/v1/decisions${query(filter)}`);
export const getDecision = (paymentId) => call(`/v1/decisions/${encodeURIComponent(paymentId)}`);
export const getSummary = (fromMs, toMs, bucketMs) => call(`/v1/summary${query({ fromMs, toMs, bucketMs })}`);

export function sendLabel(label) {
  return call('/v1/labels', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(label),
  });
}

/** Readiness answers with the same document when it is not ready; that is an answer, not a failure. */
export async function getReadiness() {
  const response = await send('/readyz', { headers: { accept: 'application/json' } });
  const body = await readJson(response);
  if (Array.isArray(body.dependencies)) return body;
  throw errorOf(response, body);
}
