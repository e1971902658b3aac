/** The numbers above the table: totals, rates, latency, chart, most-hit rules, and the state of the service. */
import { getReadiness, getSummary } from './api.js';
import { drawChart } from './chart.js';
import { byId, el, showText } from './dom.js';
import { compact, count, latency, percent, rate } from './format.js';
import { poll } from './poll.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const windows = [
  { label: '15 min', spanMs: 15 * minuteMs, bucketMs: 15_000 },
  { label: '1 h', spanMs: hourMs, bucketMs: minuteMs },
  { label: '24 h', spanMs: 24 * hourMs, bucketMs: 20 * minuteMs },
  { label: '7 d', spanMs: 168 * hourMs, bucketMs: 3 * hourMs },
  { label: '30 d', spanMs: 720 * hourMs, bucketMs: 12 * hourMs },
];
const refreshMs = 4_000;
/** The rate is that of this long ago until now; the store is about a second behind, so the last second is left out. */
const rateSpanMs = 30_000;
const behindMs = 2_000;

function tile(name, shown, note, className = '') {
  return el(
    'div',
    { class: `tile ${className}` },
    el('dt', {}, name),
    el('dd', {}, shown),
    el('dd', { class: 'tile-note' }, note),
  );
}

function share(part, whole) {
  return whole === 0 ? '–' : percent(part / whole);
}

function drawTiles(summary, recent) {
  const { total, holds, latencyMicros, labels } = summary;
  const flagged = labels.fraudHeld + labels.legitimateHeld;
  const perSecond = recent.total / (rateSpanMs / 1_000);
  byId('tiles').replaceChildren(
    tile('Now', `${rate(perSecond)}/s`, 'decisions, last 30 s'),
    tile('Decisions', compact(total), 'in this window'),
    tile('Held', share(holds, total), `${count(holds)} payments`, 'tile-hold'),
    tile('Latency p50', total === 0 ? '–' : latency(latencyMicros.p50), 'half are faster'),
    tile('Latency p99', total === 0 ? '–' : latency(latencyMicros.p99), '99 of 100 are faster'),
    tile('Precision', share(labels.fraudHeld, flagged), `labelled holds: ${count(flagged)}`),
    tile('Recall', share(labels.fraudHeld, labels.fraud), `labelled frauds: ${count(labels.fraud)}`),
  );
}

function drawRules(rules, onRule) {
  if (rules.length === 0) {
    byId('top-rules').replaceChildren(el('p', { class: 'empty' }, 'No rule fired in this window.'));
    return;
  }
  const most = Math.max(...rules.map((rule) => rule.hits));
  const items = rules.slice(0, 8).map((rule) => {
    const meter = el('span', { class: 'meter', 'aria-hidden': 'true' });
    const hits = el('span', { class: 'meter-hits' });
    const held = el('span', { class: 'meter-held' });
    hits.style.width = `${(100 * rule.hits) / most}%`;
    held.style.width = `${(100 * rule.holds) / Math.max(rule.hits, 1)}%`;
    hits.append(held);
    meter.append(hits);
    const button = el('button', { type: 'button', class: 'link', title: `Show decisions with ${rule.id}` }, rule.id);
    button.addEventListener('click', () => onRule(rule.id));
    return el(
      'li',
      {},
      button,
      meter,
      el('span', { class: 'rule-count' }, `${compact(rule.hits)}, ${share(rule.holds, rule.hits)}`),
    );
  });
  byId('top-rules').replaceChildren(el('ul', { class: 'rules' }, items));
}

function drawDependencies(readiness) {
  const items = readiness.dependencies.map((dependency) =>
    el(
      'li',
      {},
      el('span', { class: `dot dot-${dependency.state}`, 'aria-hidden': 'true' }),
      el('span', { class: 'dependency-name' }, dependency.name),
      el('span', { class: 'dependency-state' }, dependency.state),
      dependency.detail === undefined ? false : el('span', { class: 'dependency-detail' }, dependency.detail),
    ),
  );
  byId('dependencies').replaceChildren(el('ul', { class: 'dependencies' }, items));
  showText(byId('status'), readiness.ready ? 'Deciding' : 'Not able to decide');
  byId('status').className = readiness.ready ? 'status status-up' : 'status status-down';
}

function windowChoices(chosen, onChange) {
  const legend = el('legend', { class: 'hidden' }, 'Time window');
  const choices = windows.map((one) => {
    const input = el('input', { type: 'radio', name: 'window', value: one.label, checked: one === chosen });
    input.addEventListener('change', () => onChange(one));
    return el('label', {}, input, el('span', {}, one.label));
  });
  byId('windows').replaceChildren(legend, ...choices);
}

/** Starts refreshing; answers a function that ends it. `onKeyRefused` when the key is not (or no longer) good. */
export function startOverview({ onRule, onKeyRefused }) {
  let chosen = windows[0];
  let last;
  const draw = () => {
    if (last !== undefined) drawChart(byId('chart'), last.summary.series, last.spanMs);
  };

  async function refresh() {
    const { spanMs, bucketMs } = chosen;
    const nowMs = Date.now();
    const toMs = Math.ceil(nowMs / bucketMs) * bucketMs;
    const recentToMs = nowMs - behindMs;
    const [summary, recent] = await Promise.all([
      getSummary(toMs - spanMs, toMs, bucketMs),
      getSummary(recentToMs - rateSpanMs, recentToMs, rateSpanMs),
    ]);
    if (spanMs !== chosen.spanMs) return;
    last = { summary, spanMs };
    showText(byId('overview-problem'), '');
    drawTiles(summary, recent);
    drawRules(summary.topRules, onRule);
    draw();
  }

  const summaries = poll(refresh, refreshMs, (error) => {
    if (error.kind === 'key') return onKeyRefused(error.message);
    showText(
      byId('overview-problem'),
      `These numbers are not up to date: ${error.message} Payments are still decided; trying again.`,
    );
  });
  const readiness = poll(
    async () => drawDependencies(await getReadiness()),
    refreshMs,
    (error) => {
      showText(byId('status'), error.message);
      byId('status').className = 'status status-down';
      byId('dependencies').replaceChildren(el('p', { class: 'empty' }, 'State unknown.'));
    },
  );
  windowChoices(chosen, (next) => {
    chosen = next;
    summaries.wake();
  });
  byId('tiles').replaceChildren(tile('Decisions', '…', 'loading'));
  byId('chart').replaceChildren(el('p', { class: 'empty' }, 'Loading…'));
  byId('top-rules').replaceChildren(el('p', { class: 'empty' }, 'Loading…'));
  const resized = new ResizeObserver(draw);
  resized.observe(byId('chart'));
  return {
    refresh: summaries.wake,
    stop() {
      summaries.stop();
      readiness.stop();
      resized.disconnect();
    },
  };
}
