/** The table: newest decisions as they come, older ones page by page, with the filter that the form says. */
import { findDecisions } from './api.js';
import { byId, el, showText } from './dom.js';
import { clock, count, fullTime, money, score } from './format.js';
import { poll } from './poll.js';

const refreshMs = 2_000;
const pageRows = 50;
/** Rows kept in the table while it is live; older ones are a click away. */
const liveRowsMax = 200;
const rowsMax = 2_000;
/** Decisions reach the store in blocks and not strictly by time: each look goes this far back again. */
const overlapMs = 10_000;

function actionBadge(action) {
  return el('span', { class: `badge badge-${action}` }, action);
}

function rowOf(item, onOpen) {
  const { decision, payment } = item;
  const open = el(
    'a',
    { class: 'payment-link', href: `#/decisions/${encodeURIComponent(decision.paymentId)}` },
    decision.paymentId,
  );
  open.addEventListener('click', (event) => {
    event.preventDefault();
    onOpen(decision.paymentId);
  });
  const where = [payment.country, payment.channel].filter((text) => text !== undefined).join(' · ');
  const reason = decision.reasons[0];
  const degraded = decision.degraded.length > 0 ? el('span', { class: 'badge badge-degraded' }, 'degraded') : false;
  return el(
    'tr',
    {},
    el(
      'th',
      { scope: 'row' },
      open,
      el('time', { datetime: decision.decidedAt, title: fullTime(decision.decidedAt) }, clock(decision.decidedAt)),
    ),
    el('td', { class: 'wide' }, el('span', { class: 'clip' }, payment.customerId)),
    el('td', { class: 'wide' }, where === '' ? '–' : where),
    el('td', { class: 'number' }, money(payment.amountMinor, payment.currency)),
    el('td', { class: 'number' }, score(decision.score)),
    el('td', {}, actionBadge(decision.action), degraded),
    el(
      'td',
      { class: 'wide reason' },
      reason === undefined ? '–' : el('span', { class: 'clip', title: reason.text }, reason.text),
    ),
  );
}

/** Newest first, as the API sorts: decidedAt, then payment id, both descending. */
function isBefore(a, b) {
  if (a.decision.decidedAt !== b.decision.decidedAt) return a.decision.decidedAt > b.decision.decidedAt;
  return a.decision.paymentId > b.decision.paymentId;
}

/** Starts the table; `onOpen(paymentId)` when one is chosen. */
export function startDecisions({ onOpen, onKeyRefused }) {
  const body = byId('rows');
  const older = byId('older');
  const pause = byId('pause');
  /** In the order of the table: { item, row }. */
  let shown = [];
  let known = new Set();
  let filter = {};
  let next;
  let cut = false;
  let paused = false;
  let waiting = 0;
  let epoch = 0;
  let loaded = false;

  function drawState() {
    pause.textContent = paused ? 'Resume' : 'Pause';
    pause.setAttribute('aria-pressed', String(paused));
    const state = paused ? `Paused${waiting > 0 ? ` · ${count(waiting)} newer` : ''}` : 'Live';
    byId('live-state').textContent = state;
    byId('live-state').className = paused ? 'live-state' : 'live-state live';
    older.hidden = (next === undefined && !cut) || shown.length >= rowsMax;
    const filtered = Object.keys(filter).length > 0;
    const none = filtered
      ? 'No decision matches this filter.'
      : 'No decisions yet. They appear here about a second after they are made.';
    showText(byId('rows-empty'), shown.length > 0 ? '' : loaded ? none : 'Loading…');
  }

  /** Puts an item where it belongs; the rows beside it stay the same elements, so focus and selection stay. */
  function place(item, fresh) {
    const { decisionId } = item.decision;
    if (known.has(decisionId)) return;
    known.add(decisionId);
    const row = rowOf(item, onOpen);
    if (fresh) row.classList.add('fresh');
    let index = shown.findIndex((other) => isBefore(item, other.item));
    if (index === -1) index = shown.length;
    body.insertBefore(row, shown[index]?.row ?? null);
    shown.splice(index, 0, { item, row });
  }

  function trim() {
    if (shown.length <= liveRowsMax) return;
    for (const { item, row } of shown.splice(liveRowsMax)) {
      row.remove();
      known.delete(item.decision.decisionId);
    }
    // What was cut off can be asked for again by time: the cursor at hand points further back.
    next = undefined;
    cut = true;
  }

  async function refresh() {
    const mine = epoch;
    const newest = shown[0]?.item.decision.decidedAt;
    const since = newest === undefined ? {} : { fromMs: Date.parse(newest) - overlapMs };
    const page = await findDecisions({ ...filter, ...since, limit: pageRows });
    if (mine !== epoch) return;
    const first = !loaded;
    loaded = true;
    showText(byId('decisions-problem'), '');
    if (paused) {
      waiting = page.items.filter((item) => !known.has(item.decision.decisionId)).length;
    } else {
      const connects = page.next === undefined || page.items.some((item) => known.has(item.decision.decisionId));
      // More came than a page holds: the table starts anew, so that it never has a gap that nobody sees.
      if (!connects) clear();
      for (const item of page.items) place(item, !first);
      if (first || !connects) next = page.next;
      else trim();
    }
    drawState();
  }

  const refreshing = poll(refresh, refreshMs, (error) => {
    if (error.kind === 'key') return onKeyRefused(error.message);
    loaded = true;
    showText(byId('decisions-problem'), `The list is not up to date: ${error.message} Trying again.`);
    drawState();
  });

  function setPaused(value) {
    paused = value;
    waiting = 0;
    drawState();
    if (!paused) refreshing.wake();
  }

  function clear() {
    shown = [];
    known = new Set();
    next = undefined;
    cut = false;
    body.replaceChildren();
  }

  function restart() {
    epoch += 1;
    loaded = false;
    clear();
    setPaused(false);
  }

  /** Paging back stops the live updates: a table that grows at both ends cannot be read. */
  async function showOlder() {
    setPaused(true);
    older.disabled = true;
    const mine = epoch;
    const last = shown.at(-1)?.item.decision.decidedAt;
    const from = next !== undefined ? { cursor: next } : { toMs: Date.parse(last) + 1 };
    try {
      const page = await findDecisions({ ...filter, ...from, limit: pageRows });
      if (mine !== epoch) return;
      for (const item of page.items) place(item, false);
      next = page.next;
      cut = false;
      showText(byId('decisions-problem'), '');
    } catch (error) {
      if (error.kind === 'key') onKeyRefused(error.message);
      else showText(byId('decisions-problem'), `Older decisions cannot be shown: ${error.message}`);
    } finally {
      older.disabled = false;
      drawState();
    }
  }

  const form = byId('filters');
  const read = () => {
    filter = Object.fromEntries(
      [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value !== ''),
    );
    restart();
  };
  const events = new AbortController();
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal: events.signal });
  on(form, 'submit', (event) => {
    event.preventDefault();
    read();
  });
  on(form, 'reset', () => setTimeout(read));
  on(pause, 'click', () => setPaused(!paused));
  on(older, 'click', showOlder);
  drawState();

  return {
    showRule(ruleId) {
      form.elements.ruleId.value = ruleId;
      read();
      byId('decisions-heading').focus();
    },
    stop() {
      refreshing.stop();
      events.abort();
      body.replaceChildren();
    },
  };
}
