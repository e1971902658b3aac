/** A decision's explanation in pieces: evaluation trees, reasons, features. Each function answers an element. */
import { el } from './dom.js';
import { count, score, value } from './format.js';

const operators = {
  equal: '=',
  notEqual: '≠',
  lessThan: '<',
  lessThanInclusive: '≤',
  greaterThan: '>',
  greaterThanInclusive: '≥',
  in: 'is one of',
  notIn: 'is none of',
  inList: 'is in the list',
  notInList: 'is not in the list',
};
const groups = { all: 'all of', any: 'any of', not: 'not' };

function mark(result) {
  return el('span', { class: result ? 'mark mark-true' : 'mark mark-false' }, result ? 'true' : 'false');
}

/** One node of an evaluation tree with the values that were seen. */
export function treeNode(node) {
  if (node.kind === 'condition') {
    return el(
      'li',
      {},
      mark(node.result),
      el('code', {}, node.fact),
      ` ${operators[node.operator] ?? node.operator} `,
      el('code', {}, Array.isArray(node.expected) ? node.expected.map(value).join(', ') : value(node.expected)),
      el('span', { class: 'seen' }, ' saw ', el('strong', {}, value(node.seen))),
    );
  }
  return el('li', {}, mark(node.result), groups[node.kind] ?? node.kind, el('ul', {}, node.children.map(treeNode)));
}

export function explanations(list) {
  if (list.length === 0) return el('p', { class: 'empty' }, 'No rule fired.');
  return el(
    'div',
    {},
    list.map((one) =>
      el(
        'details',
        { class: 'rule-tree', open: list.length <= 3 },
        el('summary', {}, el('code', {}, one.ruleId), ' ', one.text),
        el('ul', { class: 'tree' }, treeNode(one.tree)),
      ),
    ),
  );
}

export function reasons(list, action) {
  const none = action === 'allow' ? 'Nothing spoke against this payment.' : 'No reason was recorded.';
  if (list.length === 0) return el('p', { class: 'empty' }, none);
  return el(
    'ul',
    { class: 'reasons' },
    list.map((reason) =>
      el(
        'li',
        {},
        el('code', {}, reason.code),
        el('span', { class: 'reason-text' }, reason.text),
        el(
          'span',
          { class: 'weight', title: 'Weight in the decision' },
          `${reason.weight >= 0 ? '+' : '−'}${Number(Math.abs(reason.weight).toFixed(3))}`,
        ),
      ),
    ),
  );
}

export function model(result) {
  if (result === null || result === undefined)
    return el('p', { class: 'empty' }, 'The model did not score this payment.');
  const bar = el('span', { class: 'probability', 'aria-hidden': 'true' });
  const filled = el('span', {});
  filled.style.width = `${Math.max(0.5, 100 * result.probability)}%`;
  bar.append(filled);
  return el(
    'div',
    { class: 'model' },
    el('p', {}, el('strong', { class: 'big' }, score(result.probability)), ' probability of fraud'),
    bar,
    el(
      'p',
      { class: 'hint' },
      result.id,
      ', version ',
      el('code', { title: result.version }, result.version.slice(0, 12)),
    ),
  );
}

function featureRow([name, feature]) {
  const exact = feature.exact !== false;
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, el('code', {}, name)),
    el('td', { class: 'number' }, value(feature.value)),
    el('td', {}, exact ? 'exact' : `within ${value(feature.bound)}`),
  );
}

/** Every feature as it was used, with a box that narrows the list down. */
export function features(all) {
  const entries = Object.entries(all);
  if (entries.length === 0) return el('p', { class: 'empty' }, 'No features were recorded.');
  const rows = entries.map((entry) => ({ name: entry[0].toLowerCase(), row: featureRow(entry) }));
  const state = el('span', { class: 'hint', role: 'status' }, `${count(entries.length)} features`);
  const search = el('input', {
    type: 'search',
    'aria-label': 'Filter features by name',
    placeholder: 'Filter by name',
  });
  search.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase();
    for (const { name, row } of rows) row.hidden = !name.includes(wanted);
    state.textContent = `${count(rows.filter(({ row }) => !row.hidden).length)} of ${count(rows.length)} features`;
  });
  const head = el(
    'thead',
    {},
    el(
      'tr',
      {},
      el('th', { scope: 'col' }, 'Feature'),
      el('th', { scope: 'col', class: 'number' }, 'Value'),
      el('th', { scope: 'col' }, 'Exact'),
    ),
  );
  const table = el(
    'table',
    { class: 'features' },
    head,
    el(
      'tbody',
      {},
      rows.map(({ row }) => row),
    ),
  );
  return el(
    'div',
    {},
    el('p', { class: 'feature-search' }, search, state),
    el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Features' }, table),
  );
}

/** Names and values; a value that is missing is left out. */
export function pairs(entries) {
  const given = entries.filter(([, shown]) => shown !== undefined && shown !== null && shown !== '');
  return el(
    'dl',
    { class: 'pairs' },
    given.map(([name, shown]) => el('div', {}, el('dt', {}, name), el('dd', {}, shown))),
  );
}
